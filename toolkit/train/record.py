"""What is recorded of a run: its identity, its arguments as saved, its leaderboard row."""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.dataloader.loading import RunData
from toolkit.train.crossval import TrainingData
from toolkit.train.settings import Trial
from toolkit.train.trainer import Outcome

# Arguments that decide a run's result, beside its data, seed and hyper-parameters.
_DECISIVE = (
    "dataset train_dataset test_dataset train_snr test_snr snr_modalities feat_type feat_scale fusion_topn "
    "fusion_modality model l2 batch_size epochs debug trainer no_shuffle"
).split()


def data_fingerprint(loaded: RunData) -> str:
    """A hash of names, splits, targets and features: the same data elsewhere has the same, other content another."""
    digest = hashlib.sha1(usedforsecurity=False)
    extra = [loaded.extra] if loaded.extra else []  # absent without: then it is the same run as one without the flag
    digest.update(json.dumps([loaded.validation, list(loaded.tests), *extra]).encode())
    for dataset in (loaded.train, *loaded.tests.values()):
        digest.update(json.dumps([dataset.names, dataset.keys]).encode())
        digest.update(np.ascontiguousarray(dataset.emos))
        digest.update(np.ascontiguousarray(dataset.vals))
        for rows in {id(rows): rows for rows in dataset.inputs}.values():
            for part in [rows] if isinstance(rows, np.ndarray) else rows:
                digest.update(str(part.shape).encode())
                digest.update(np.ascontiguousarray(part))
    return digest.hexdigest()[:16]


def run_identity(args: argparse.Namespace, trial: Trial, features: Sequence[str], data: str) -> str:
    """A hash of everything that decides a run's result; `data` is the data's fingerprint."""
    decisive = {key: getattr(args, key) for key in _DECISIVE}
    decisive |= {"features": list(features), "data": data, "seed": trial.seed, "hyper": dict(trial.hyper)}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def saved_args(args: argparse.Namespace, trial: Trial, data: TrainingData) -> argparse.Namespace:
    """The arguments as they are saved: plain values, the drawn hyper-parameters and the data's sizes merged in."""
    widths = list(data.train.widths)
    sizes: dict[str, Any] = {"feat_dims": widths, "input_keys": list(data.train.keys)}
    if len(widths) == 3:
        sizes |= dict(zip(("audio_dim", "text_dim", "video_dim"), widths, strict=True))
    sizes |= {"output_dim1": data.corpus.outputs[0], "output_dim2": data.corpus.outputs[1]}
    sizes |= {"metric_name": data.corpus.metric, "emotions": list(data.corpus.emotions), "extra_samples": data.extra}
    return argparse.Namespace(**(vars(args) | {"seed": trial.seed} | dict(trial.hyper) | sizes))


def leaderboard_row(
    args: argparse.Namespace,
    saved: argparse.Namespace,
    identity: str,
    features: Sequence[str],
    outcome: Outcome,
    files: Mapping[str, Path],
    folder: Path,
    device: str,
) -> dict[str, Any]:
    """The row of one run, finished or failed."""
    trial, result = outcome.trial, outcome.result
    row = {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "run_id": identity,
        "status": "failed" if result is None else "ok",
        "note": outcome.failure,
        "phase": trial.phase,
        "dataset": args.dataset or f"{args.train_dataset}->{args.test_dataset}",
        "model": args.model,
        "feat_type": args.feat_type,
        "audio": args.audio_feature or "",
        "text": args.text_feature or "",
        "video": args.video_feature or "",
        "features": list(features),
        "trial": trial.number,
        "seed": trial.seed,
        "hyper": dict(trial.hyper),
        "trainer": args.trainer,
        "seconds": f"{outcome.seconds:.1f}",
        "device": device,
        "versions": versions(),
        "args": vars(saved),
        "files": {name: str(path.relative_to(folder)) for name, path in files.items()},
    }
    if result is not None:
        row |= {key: f"{result.scores[key]:.6f}" for key in ("f1", "acc", "mse", "loss") if key in result.scores}
        row["best_epochs"] = [fold.best_epoch for fold in result.folds]
        for key in ("f1", "acc"):
            row[f"fold_{key}"] = [round(fold.scores[key], 6) for fold in result.folds if key in fold.scores]
    return row


def versions() -> dict[str, str]:
    """Python and the packages that decide numbers."""
    packages = {package: version(package) for package in ("torch", "numpy")}
    return {"python": platform.python_version(), **packages}
