"""One search of a table: the same runs as ``main-release.py --trials T --repeat_best R --resume``, and their figures.

What is finished is found in the leaderboard by the runs' identities, so a search that is done costs one reading of its
features, and figures are always those of the features as they are now.
"""

from __future__ import annotations

import argparse
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data.dataset import FusionDataset
from toolkit.dataloader.corpora import Corpus
from toolkit.train import leaderboard, results
from toolkit.train.hyperparams import read_space
from toolkit.train.inputs import load_inputs, named_features
from toolkit.train.loop import Predictions
from toolkit.train.record import data_fingerprint, run_identity
from toolkit.train.run import train
from toolkit.train.search import random_trials, repeat_trials
from toolkit.train.settings import Trial
from toolkit.utils.errors import UserError
from toolkit.utils.metric import selection_score

SCORES = ("f1", "acc", "mse")
Row = Mapping[str, str]


@dataclass(frozen=True)
class Figures:
    """What one search came to.

    Attributes:
        folder: run folder, which holds the leaderboard.
        features: feature folders that entered, in input order; widths: of each.
        hyper: hyper-parameters of the best run.
        best: f1 of the best run of the search (mean over the folds); an optimistic figure.
        scores: "f1", "acc", "mse" (cross-validation), "<test set> f1" ... (known labels only) -> (mean, population
            standard deviation) over the repeats of the best hyper-parameters; over the best run where none were asked
            for (deviation nan).
        repeats: how many runs `scores` are means of; 0: the best run of the search alone.
        failed: runs without a result.
    """

    folder: Path
    features: tuple[str, ...]
    widths: tuple[int, ...]
    hyper: Mapping[str, Any]
    best: float
    scores: Mapping[str, tuple[float, float]]
    repeats: int
    failed: int


@dataclass(frozen=True)
class _Plan:
    """A search and what its runs' identities depend on; the features themselves are not kept."""

    args: argparse.Namespace
    trials: Sequence[Trial]
    corpus: Corpus
    tests: tuple[str, ...]
    features: tuple[str, ...]
    inputs: tuple[str, ...]
    widths: tuple[int, ...]
    data: str
    folder: Path

    def rows(self, finished: Mapping[str, Row], trials: Sequence[Trial]) -> list[Row] | None:
        """The leaderboard rows of `trials`; None when one of them is not finished."""
        rows = [finished.get(run_identity(self.args, trial, self.inputs, self.data)) for trial in trials]
        return None if None in rows else rows


def run_search(args: argparse.Namespace) -> Figures:
    """Train what is missing of the search that checked `args` describe, and collect its figures.

    Raises:
        UserError: as `toolkit.train.run.train`; or no run of the search, or none of the repeats, has a result.
    """
    plan = _plan(args)
    found = _finished(plan)
    if found is None or args.savemodel:
        train(args)
        found = _finished(plan)
    else:
        print(f"all {sum(map(len, found))} runs are in {plan.folder / leaderboard.FILE_NAME}")
    if found is None:
        raise UserError(f"{', '.join(plan.features)}: changed while they were trained on; run the same command again")
    return _figures(plan, *found)


def run_folder(args: argparse.Namespace, features: Sequence[str]) -> Path:
    """Where `toolkit.train.run.train` writes."""
    noise = bool(args.train_snr or args.test_snr)
    return results.run_folder(
        args.save_root, features, cross=bool(args.train_dataset), noise=noise, topn=bool(args.fusion_topn)
    )


def _plan(args: argparse.Namespace) -> _Plan:
    space = read_space(args.model, args.hyper_path)
    if args.lr is not None:
        space["lr"] = [args.lr]
    loaded = load_inputs(args)
    named = tuple(named_features(args, loaded))
    return _Plan(
        args,
        random_trials(args.model, space, args.trials, args.seed),
        loaded.corpus,
        tuple(name for name in loaded.tests if name not in loaded.corpus.hidden),
        named,
        loaded.features + loaded.test_features,
        tuple(dict(zip(loaded.features, loaded.train.widths, strict=True)).values()),
        data_fingerprint(loaded),
        run_folder(args, named),
    )


def _finished(plan: _Plan) -> tuple[list[Row], list[Row]] | None:
    """Rows of the search and of the repeats; None when something is still to be trained."""
    finished = leaderboard.finished_rows(plan.folder)
    search = plan.rows(finished, plan.trials)
    if search is None:
        return None
    best = _best(plan, search)
    if best is None:
        return search, []
    again = repeat_trials(plan.trials[best], plan.args.repeat_best, plan.args.seed, len(plan.trials))
    repeats = plan.rows(finished, again)
    return None if repeats is None else (search, repeats)


def _best(plan: _Plan, rows: Sequence[Row]) -> int | None:
    """Position of the best run, the first on ties, as the search itself chooses it; None when all failed."""
    scores = {
        number: round(float(selection_score(plan.corpus.metric, _scores(row))), 6)
        for number, row in enumerate(rows)
        if row["status"] == "ok"
    }
    return max(scores, key=lambda number: (scores[number], -number), default=None)


def _figures(plan: _Plan, search: Sequence[Row], repeats: Sequence[Row]) -> Figures:
    failed = sum(row["status"] != "ok" for row in (*search, *repeats))
    best = _best(plan, search)
    counted = (
        [row for row in repeats if row["status"] == "ok"] if repeats else [search[best]] if best is not None else []
    )
    if best is None or not counted:
        raise UserError(f"none of its runs has a result; {plan.folder / leaderboard.FILE_NAME} says why")
    every = [_all_scores(plan, row) for row in counted]
    return Figures(
        plan.folder,
        plan.features,
        plan.widths,
        json.loads(search[best]["hyper"]),
        _scores(search[best]).get("f1", math.nan),
        {name: _mean_std([scores[name] for scores in every if name in scores]) for name in every[0]},
        len(counted) if repeats else 0,
        failed,
    )


def _scores(row: Row) -> dict[str, float]:
    return {key: float(row[key]) for key in (*SCORES, "loss") if row[key]}


def _all_scores(plan: _Plan, row: Row) -> dict[str, float]:
    """The scores of one run, those of its test sets with known labels included."""
    scores = {key: value for key, value in _scores(row).items() if key in SCORES}
    files = json.loads(row["files"])
    for test in plan.tests:
        scores |= {f"{test} {key}": value for key, value in _test_scores(plan.folder / files[test]).items()}
    return scores


def _test_scores(path: Path) -> dict[str, float]:
    try:
        with np.load(path) as arrays:  # plain arrays only; the pickled args are never opened
            names = tuple(arrays["names"].tolist())
            samples = FusionDataset(names, (), (), arrays["emo_labels"], arrays["val_labels"])
            predictions = Predictions(arrays["emo_probs"], arrays["val_preds"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a readable results file ({error}); remove it and run again") from error
    return results.test_scores(predictions, samples)


def _mean_std(values: Sequence[float]) -> tuple[float, float]:
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
    return mean, deviation if len(values) > 1 else math.nan
