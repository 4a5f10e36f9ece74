"""``main-release.py``: read the data once, run the trials, write results, submission, leaderboard row."""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from toolkit.data.dataset import FusionDataset, read_dataset
from toolkit.data.features import find_feature_folder
from toolkit.data.labels import Labels, read_labels
from toolkit.dataloader.corpora import Corpus, get_corpus, make_folds
from toolkit.globals import CorpusPaths, corpus_paths
from toolkit.train import leaderboard, results, saved_model
from toolkit.train.crossval import RunResult, cross_validate
from toolkit.train.hyperparams import OPTIMISER_KEYS, draw, read_space
from toolkit.train.settings import Optimisation, Trial, stream_seed
from toolkit.utils.device import resolve_device
from toolkit.utils.errors import UserError
from toolkit.utils.metric import selection_score
from toolkit.utils.progress import progress_bar

DEBUG_SAMPLES = 100
# Arguments that do not change a result, and so are not part of a run's identity.
_NOT_IDENTITY = frozenset("gpu strict_gpu num_workers print_iters save_iters savemodel resume trials seed".split())


def train(args: argparse.Namespace) -> int:
    """Run ``args.trials`` trials of checked `args` (`toolkit.train.arguments.parse`); returns the exit status."""
    corpus = get_corpus(args.dataset)
    paths = corpus_paths(args.dataset, args.data_root)
    features = list(dict.fromkeys((args.audio_feature, args.text_feature, args.video_feature)))
    folder = results.run_folder(args.save_root, features, cross=False, noise=False, topn=False)
    files_folder = results.prepare_folder(folder)
    space = read_space(args.model, args.hyper_path)
    trials = [_make_trial(args, space, number) for number in range(args.trials)]
    identities = [_identity(args, trial) for trial in trials]
    finished = leaderboard.finished_ids(folder) if args.resume else set()
    if finished.issuperset(identities):
        print(f"all {len(trials)} runs are already in {folder / leaderboard.FILE_NAME}")
        return 0
    device = resolve_device(args.gpu, args.strict_gpu)
    train_set, test_sets = _read_data(args, corpus, paths)
    counts = ", ".join(f"{name} {len(dataset)}" for name, dataset in test_sets.items())
    print(f"{args.dataset}: train {len(train_set)}, {counts}; features {'+'.join(features)}, widths {train_set.widths}")
    best: tuple[RunResult, Trial, dict[str, Path]] | None = None
    for number, (trial, identity) in enumerate(zip(trials, identities, strict=True)):
        label = f"trial {number + 1}/{len(trials)}"
        if identity in finished:
            print(f"{label}: already in the leaderboard")
            continue
        started = time.perf_counter()
        optimisation = Optimisation(
            lr=float(trial.hyper["lr"]),
            l2=args.l2,
            grad_clip=float(trial.hyper["grad_clip"]),
            batch_size=args.batch_size,
            epochs=args.epochs,
        )
        print(f"{label}: seed {trial.seed}, {_shown(trial.hyper)}")
        result = _cross_validate(args, trial, corpus, train_set, test_sets, optimisation, device, label)
        record = _record(args, trial, train_set, corpus)
        files = results.save_run(files_folder, record, features, corpus, train_set, test_sets, result)
        if args.savemodel:
            files["model"] = saved_model.save(folder / "model", files["cv"].stem, record, corpus, result)
        row = _row(args, record, trial, number, identity, result, files, folder)
        row |= {"seconds": f"{time.perf_counter() - started:.1f}", "device": str(device)}
        leaderboard.append(folder, row)
        print(f"  {_figures(result)}")
        if best is None or selection_score(corpus.metric, result.scores) > selection_score(
            corpus.metric, best[0].scores
        ):
            best = result, trial, files
    if best is not None:
        _report(*best, corpus, folder / leaderboard.FILE_NAME, len(trials))
    return 0


def _make_trial(args: argparse.Namespace, space: Mapping[str, list[Any]], number: int) -> Trial:
    seed = args.seed + number
    hyper = draw(space, stream_seed(seed, "hyper"))
    if args.lr is not None:
        hyper["lr"] = args.lr
    return Trial(args.model, hyper, seed)


def _read_data(
    args: argparse.Namespace, corpus: Corpus, paths: CorpusPaths
) -> tuple[FusionDataset, dict[str, FusionDataset]]:
    """The training samples and every test set of `corpus`, features read and aligned."""
    folders = [
        find_feature_folder(paths.features, feature)
        for feature in (args.audio_feature, args.text_feature, args.video_feature)
    ]
    labels = read_labels(paths.label)
    missing = [key for key in (corpus.train, *corpus.tests.values()) if key not in labels]
    if missing:
        raise UserError(f"{paths.label}: no {', '.join(missing)} in it; it has {', '.join(labels)}")

    def read(split: str, key: str) -> FusionDataset:
        rows: Labels = dict(list(labels[key].items())[: DEBUG_SAMPLES if args.debug else None])
        if not rows:
            raise UserError(f"{paths.label}: {key} holds no samples")
        emos, vals = corpus.class_indices(rows, f"{paths.label}, {key}"), corpus.valences(rows)
        return read_dataset(
            folders,
            list(rows),
            emos,
            vals,
            args.feat_type,
            args.feat_scale,
            num_workers=args.num_workers,
            label=f"reading {split}",
        )

    train_set = read("train", corpus.train)
    tests = {name: read(name, key) for name, key in corpus.tests.items() if labels[key]}
    for name, dataset in tests.items():
        if dataset.widths != train_set.widths:
            raise UserError(f"{name} has features of widths {dataset.widths}, training has {train_set.widths}")
    return train_set, tests


def _cross_validate(args, trial, corpus, train_set, test_sets, optimisation, device, label) -> RunResult:
    """`cross_validate` with a progress bar over epochs and a line per fold."""
    best: dict[int, float] = {}
    pairs = make_folds(corpus, train_set.names, trial.stream("folds"))
    with progress_bar(len(pairs) * args.epochs, label, unit="epoch") as bar:

        def on_epoch(fold: int, scores: dict[str, float]) -> None:
            best[fold] = max(best.get(fold, float("-inf")), scores.get("f1", -scores["loss"]))
            bar.set_postfix_str(f"fold {fold + 1}/{len(pairs)}, best {best[fold]:.4f}", refresh=False)
            bar.update()

        try:
            return cross_validate(
                trial, corpus, pairs, train_set, test_sets, args.feat_type, optimisation, device, on_epoch
            )
        except UserError as error:
            raise UserError(f"{label} (seed {trial.seed}, {_shown(trial.hyper)}): {error}") from error


def _record(args: argparse.Namespace, trial: Trial, train_set: FusionDataset, corpus: Corpus) -> argparse.Namespace:
    """The arguments as they are saved: plain values, the drawn hyper-parameters and the data's sizes merged in."""
    widths = dict(zip(("audio_dim", "text_dim", "video_dim"), train_set.widths, strict=True))
    outputs = {"output_dim1": corpus.outputs[0], "output_dim2": corpus.outputs[1], "metric_name": corpus.metric}
    return argparse.Namespace(**(vars(args) | {"seed": trial.seed} | dict(trial.hyper) | widths | outputs))


def _identity(args: argparse.Namespace, trial: Trial) -> str:
    """A hash of everything that decides a run's result (data folders by name, not by content)."""
    decisive = {key: value for key, value in vars(args).items() if key not in _NOT_IDENTITY}
    decisive |= {"seed": trial.seed, "hyper": dict(trial.hyper)}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def _row(
    args: argparse.Namespace,
    record: argparse.Namespace,
    trial: Trial,
    number: int,
    identity: str,
    result: RunResult,
    files: Mapping[str, Path],
    folder: Path,
) -> dict[str, Any]:
    return {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "run_id": identity,
        "dataset": args.dataset,
        "model": args.model,
        "feat_type": args.feat_type,
        "audio": args.audio_feature,
        "text": args.text_feature,
        "video": args.video_feature,
        "trial": number,
        "seed": trial.seed,
        **{key: f"{result.scores[key]:.6f}" for key in ("f1", "acc", "mse") if key in result.scores},
        "fold_f1": [round(fold.scores["f1"], 6) for fold in result.folds if "f1" in fold.scores],
        "fold_acc": [round(fold.scores["acc"], 6) for fold in result.folds if "acc" in fold.scores],
        "best_epochs": [fold.best_epoch for fold in result.folds],
        "hyper": dict(trial.hyper),
        "versions": _versions(),
        "args": vars(record),
        "files": {name: str(path.relative_to(folder)) for name, path in files.items()},
    }


def _versions() -> dict[str, str]:
    packages = {"torch": torch.__version__, "numpy": np.__version__, "scikit-learn": version("scikit-learn")}
    return {"python": platform.python_version(), **packages}


def _figures(result: RunResult) -> str:
    shown = ", ".join(f"{key} {result.scores[key]:.4f}" for key in ("f1", "acc", "mse") if key in result.scores)
    epochs = " ".join(str(fold.best_epoch) for fold in result.folds)
    return f"cross-validation, mean of {len(result.folds)} folds: {shown}  (best epochs {epochs})"


def _report(
    result: RunResult, trial: Trial, files: Mapping[str, Path], corpus: Corpus, board: Path, trials: int
) -> None:
    """Where the best run's files are; what has no score and why."""
    if trials > 1:
        print(f"best run here: seed {trial.seed}, {_figures(result)}")
    for name in result.tests:
        if name in corpus.hidden:
            print(f"  {name}: the labels are hidden, so there is no score; predictions are saved")
    for name, path in files.items():
        print(f"  {name}: {path}")
    print(f"  leaderboard: {board}")


def _shown(hyper: Mapping[str, Any]) -> str:
    optimiser_last = sorted(hyper, key=lambda key: key in OPTIMISER_KEYS)
    return ", ".join(f"{key} {hyper[key]}" for key in optimiser_last)
