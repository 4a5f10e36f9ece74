"""Results files (SPEC 6): their folder, their names, what is in them, and the submission csv."""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from toolkit.data.dataset import FusionDataset
from toolkit.dataloader.corpora import Corpus
from toolkit.globals import MISSING_VALENCE
from toolkit.train.crossval import RunResult
from toolkit.train.loop import Predictions
from toolkit.train.scoring import score_members
from toolkit.utils import atomic
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import write_csv

LONGEST_SUFFIX = 165  # bytes; leaves room for "submission_test1_", scores, time and ending
MODALITY_FOLDERS = {1: "unimodal", 2: "bimodal", 3: "trimodal"}


def run_folder(save_root: str, features: Sequence[str], cross: bool, noise: bool, topn: bool) -> Path:
    """``<save_root>[-cross][-noise][-multitop]-{others,unimodal,bimodal,trimodal}``: the last by distinct features."""
    parts = [flag for flag, on in (("cross", cross), ("noise", noise), ("multitop", topn)) if on]
    parts.append(MODALITY_FOLDERS.get(len(set(features)), "others") if not topn else "others")
    return Path("-".join([save_root, *parts]))


def prepare_folder(folder: Path) -> Path:
    """Create ``<folder>/result``, make sure that it can be written, and sweep what dead processes left there.

    Raises:
        UserError: the folder cannot be created or written.
    """
    result = folder / "result"
    probe = atomic.part_path(result / "writable")
    try:
        result.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"{result} cannot be written ({error.strerror}); choose another --save_root") from error
    atomic.remove_orphans(result)
    return result


def file_suffix(args: argparse.Namespace, features: Sequence[str]) -> str:
    """The part of a results file's name that says what was run (SPEC 6).

    More features than a file's name can hold (255 bytes) are given by number and hash; the leaderboard lists them.
    """
    listed = "+".join(features)
    name = f"_dataset:{args.dataset}_model:{args.model}+{args.feat_type}+{args.e2e_name}"
    if args.train_dataset:
        name += f"_train:{args.train_dataset}_test:{args.test_dataset}"
    if args.train_snr or args.test_snr:
        name += f"_trainsnr:{args.train_snr}_testsnr:{args.test_snr}"
    if args.fusion_topn:
        name += f"_fusiontopn:{args.fusion_topn}_modality:{args.fusion_modality}"
    if len(f"features:{listed}{name}".encode()) > LONGEST_SUFFIX:
        digest = hashlib.sha1(listed.encode(), usedforsecurity=False).hexdigest()[:8]
        listed = f"{len(features)}features-{digest}"
    return f"features:{listed}{name}"


def test_scores(predictions: Predictions, samples: FusionDataset) -> dict[str, float]:
    """f1, acc and mse of predictions on a test set whose labels are known; samples without valence are left out."""
    known = samples.vals != MISSING_VALENCE if predictions.vals.shape[1] else np.full(len(samples), True)
    if not known.any():
        return {}
    emos, vals, predictions = samples.emos[known], samples.vals[known], predictions.rows(known)
    truth = torch.from_numpy(emos)[None], torch.from_numpy(vals)[None]
    outputs = torch.from_numpy(predictions.emos)[None], torch.from_numpy(predictions.vals)[None]
    return {key: float(value) for key, value in score_members(*outputs, *truth).items()}


def score_suffix(scores: Mapping[str, float]) -> str:
    """``_f1:0.1234_acc:0.1234[_val:0.1234]`` (val = valence MSE)."""
    text = "".join(f"_{key}:{scores[key]:.4f}" for key in ("f1", "acc") if key in scores)
    return text + (f"_val:{scores['mse']:.4f}" if "mse" in scores else "")


def save_run(
    folder: Path,
    args: argparse.Namespace,
    features: Sequence[str],
    corpus: Corpus,
    train: FusionDataset,
    tests: Mapping[str, FusionDataset],
    result: RunResult,
) -> dict[str, Path]:
    """Write the cv file, one file per test set and, with emotions, one submission csv per test set.

    Returns what was written: "cv", "<test>" and "<test> submission" -> path. The cv file is written last: where it is,
    the run is complete.
    """
    suffix = file_suffix(args, features)
    stamp = f"{time.time():.6f}"
    files: dict[str, Path] = {}
    for name, predictions in result.tests.items():
        shown = name not in corpus.hidden
        scores = score_suffix(test_scores(predictions, tests[name])) if shown else ""
        files[name] = folder / f"{name}_{suffix}{scores}_{stamp}.npz"
        _save_npz(files[name], args, tests[name], predictions, labels=shown)
        if corpus.emotions:
            files[f"{name} submission"] = folder / f"submission_{name}_{suffix}_{stamp}.csv"
            write_submission(files[f"{name} submission"], tests[name].names, predictions.emos, corpus.emotions)
    files["cv"] = folder / f"cv_{suffix}{score_suffix(result.scores)}_{stamp}.npz"
    labelled = _first(train, len(result.fold_of))  # pseudo-labelled samples have no out-of-fold prediction
    _save_npz(files["cv"], args, labelled, result.validation, labels=True, extra=_curves(result))
    return files


def _first(samples: FusionDataset, count: int) -> FusionDataset:
    """Names and labels of the first `count` samples; the inputs, which no file holds, stay as they are."""
    return replace(samples, names=samples.names[:count], emos=samples.emos[:count], vals=samples.vals[:count])


def _curves(result: RunResult) -> dict[str, np.ndarray]:
    """Folds, best epochs and learning curves ``(folds, epochs)`` of a run."""
    curves = {
        f"curve_{key}": np.array([[scores.get(key, np.nan) for scores in fold.history] for fold in result.folds])
        for key in ("train_loss", "loss", "f1", "acc", "mse")
    }
    curves = {key: rows.astype(np.float32) for key, rows in curves.items() if not np.isnan(rows).all()}
    return curves | {"folds": result.fold_of, "best_epochs": np.array([fold.best_epoch for fold in result.folds])}


def write_submission(path: Path, names: Sequence[str], logits: np.ndarray, emotions: Sequence[str]) -> None:
    """A submission csv: ``name,discrete``, the emotion of the largest logit per sample, in sample order."""
    classes = logits.argmax(axis=1)
    write_csv(path, ["name", "discrete"], [(name, emotions[best]) for name, best in zip(names, classes, strict=True)])


def _save_npz(
    path: Path,
    args: argparse.Namespace,
    samples: FusionDataset,
    predictions: Predictions,
    labels: bool,
    extra: Mapping[str, np.ndarray] | None = None,
) -> None:
    """``args`` and ``emo_probs`` (logits, the reference's name), plus names, emo_softmax, val_preds and true labels."""
    arrays = {
        "args": np.array(args, dtype=object),
        "emo_probs": predictions.emos,
        "emo_softmax": softmax(predictions.emos),
        "val_preds": predictions.vals,
        "names": np.array(samples.names),
    }
    if labels:
        arrays |= {"emo_labels": samples.emos, "val_labels": samples.vals}
    if predictions.attention is not None:
        arrays["modality_weights"] = predictions.attention
    arrays |= extra or {}
    try:
        atomic.write_with(path, lambda file: np.savez_compressed(file, **arrays))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; continue with --seed {args.seed} --resume") from error


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits ``(N, C)``."""
    if not logits.shape[1]:
        return logits
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)
