"""``main-release.py``: read the data once, run the search, write results, submission and leaderboard rows."""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from toolkit.dataloader.loading import RunData
from toolkit.train import leaderboard, results, saved_model
from toolkit.train.crossval import RunResult, TrainingData
from toolkit.train.hyperparams import OPTIMISER_KEYS, read_space
from toolkit.train.inputs import load_inputs, named_features
from toolkit.train.record import data_fingerprint, leaderboard_row, run_identity, saved_args
from toolkit.train.search import distinct_points, grid_trials, random_trials, repeat_trials, space_size
from toolkit.train.settings import Optimisation, Trial
from toolkit.train.trainer import Outcome, plan, run_group
from toolkit.utils.device import resolve_device
from toolkit.utils.metric import selection_score
from toolkit.utils.progress import progress_bar


def train(args: argparse.Namespace) -> int:
    """Run the search that checked `args` (`toolkit.train.arguments.parse`) describe; the exit status.

    0, or 1 when a trial failed (its row says why).
    """
    space = read_space(args.model, args.hyper_path)
    if args.lr is not None:
        space["lr"] = [args.lr]
    if args.search == "grid":
        trials = grid_trials(args.model, space, args.seed)
    else:
        trials = random_trials(args.model, space, args.trials, args.seed)
    device = resolve_device(args.gpu, args.strict_gpu)
    _set_threads(args)
    loaded = load_inputs(args)
    folder = results.run_folder(
        args.save_root,
        named_features(args, loaded),
        cross=bool(args.train_dataset),
        noise=bool(args.train_snr or args.test_snr),
        topn=bool(args.fusion_topn),
    )
    search = _Search(args, loaded, folder, results.prepare_folder(folder), device)
    _announce(args, loaded, space, trials)
    search.run(trials)
    if args.repeat_best and search.best is not None:
        print(f"best: {_named(search.best.trial)}; {args.repeat_best} more runs with it")
        search.run(repeat_trials(search.best.trial, args.repeat_best, args.seed, len(trials)))
    if args.savemodel:
        search.save_model()
    search.report()
    return 1 if search.failed else 0


def _set_threads(args: argparse.Namespace) -> None:
    """Plain loops of small networks gain nothing from a second thread, and many processes at once lose a lot by it."""
    if args.threads:
        torch.set_num_threads(args.threads)
    elif args.trainer == "loop" and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def _announce(args: argparse.Namespace, loaded: RunData, space: dict[str, list[Any]], trials: list[Trial]) -> None:
    for note in loaded.notes:
        print(note)
    tests = "".join(f", {name} {len(dataset)}" for name, dataset in loaded.tests.items())
    widths = "+".join(map(str, loaded.train.widths))
    print(f"{loaded.corpus.name}: train {len(loaded.train)}{tests}; {'+'.join(loaded.features)}, widths {widths}")
    size = space_size(space)
    if args.search == "grid":
        drawn = distinct_points(random_trials(args.model, space, max(args.trials, 50), args.seed))
        print(f"grid: {size} points; {max(args.trials, 50)} random draws from seed {args.seed} would cover {drawn}")
    elif len(trials) > 1:
        print(f"random search: {len(trials)} draws cover {distinct_points(trials)} of {size} points")


@dataclass(frozen=True)
class _Best:
    """The best run of the search so far; `result` and `files` are there if it was run by this process."""

    score: float
    trial: Trial
    result: RunResult | None = None
    files: dict[str, Path] | None = None


class _Search:
    """Trials of one command: what is done already, what runs now, what was best."""

    def __init__(self, args: argparse.Namespace, loaded: RunData, folder: Path, files: Path, device: Any) -> None:
        self.args, self.loaded, self.folder, self.files_folder = args, loaded, folder, files
        self.features = named_features(args, loaded)
        resident = loaded.train.to_device(device)
        resident_tests = {name: dataset.to_device(device) for name, dataset in loaded.tests.items()}
        self.data = TrainingData(
            loaded.corpus, loaded.train, loaded.tests, resident, resident_tests, loaded.folds, args.feat_type
        )
        self.fingerprint = data_fingerprint(loaded)
        self.finished = leaderboard.finished_rows(folder) if args.resume else {}
        self.best: _Best | None = None
        self.saved: Path | None = None
        self.repeats: list[dict[str, float]] = []
        self.failed = 0
        self.done = 0

    def run(self, trials: Sequence[Trial]) -> None:
        """Run `trials`; those that the leaderboard has are not run again."""
        rows = {trial.number: self.finished.get(self._identity(trial)) for trial in trials}
        for trial in trials:
            if rows[trial.number] is not None:
                self._note_row(trial, rows[trial.number])
        known = sum(row is not None for row in rows.values())
        if known:
            print(f"{known} of {len(trials)} runs are already in {self.folder / leaderboard.FILE_NAME}")
        missing = [trial for trial in trials if rows[trial.number] is None]
        if not missing:
            return
        groups = plan(missing, self.data, self.args.batch_size, self.args.trainer, self.args.memory_gb)
        total = len(missing) * len(self.data.folds(0)) * self.args.epochs
        with progress_bar(total, "training", unit="epoch") as bar:
            for group in groups:
                for outcome in self._outcomes(self._still_missing(group, bar), bar):
                    bar.clear()
                    self._save(outcome)

    def _still_missing(self, group: list[Trial], bar: Any) -> list[Trial]:
        """With --resume: the trials of `group` that no other process has finished in the meantime."""
        if not self.args.resume:
            return group
        finished = leaderboard.finished_rows(self.folder)
        missing = []
        for trial in group:
            row = finished.get(self._identity(trial))
            if row is None:
                missing.append(trial)
            else:
                self._note_row(trial, row)
                bar.update(len(self.data.folds(0)) * self.args.epochs)
        return missing

    def _outcomes(self, group: Sequence[Trial], bar: Any) -> Iterator[Outcome]:
        args = self.args
        if not group:
            return iter(())
        return run_group(group, self.data, self._optimisation, args.trainer, args.memory_gb, self._reporter(bar))

    def report(self) -> None:
        """What the search came to."""
        if self.done > 1 and self.best is not None:
            print(f"best run: {_named(self.best.trial)}, {self.loaded.corpus.metric} {self.best.score:.4f}")
        if self.repeats:
            for key in self.repeats[0]:
                values = [scores[key] for scores in self.repeats]
                mean = sum(values) / len(values)
                std = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
                print(f"  {len(values)} runs with the best hyper-parameters: {key} {mean:.4f} +- {std:.4f}")
        for name in self.loaded.tests:
            if name in self.loaded.corpus.hidden:
                print(f"  {name}: the labels are hidden, so there is no score; predictions are saved")
        if self.best is not None:
            for name, path in (self.best.files or {}).items():
                print(f"  {name}: {path}")
        if self.failed:
            print(f"  {self.failed} runs failed; their rows in the leaderboard say why")
        print(f"  leaderboard: {self.folder / leaderboard.FILE_NAME}")

    def _identity(self, trial: Trial) -> str:
        return run_identity(self.args, trial, self.loaded.features + self.loaded.test_features, self.fingerprint)

    def _optimisation(self, trial: Trial) -> Optimisation:
        return Optimisation(
            lr=float(trial.hyper["lr"]),
            l2=self.args.l2,
            grad_clip=float(trial.hyper["grad_clip"]),
            batch_size=self.args.batch_size,
            epochs=self.args.epochs,
            shuffle=not self.args.no_shuffle,
        )

    def _reporter(self, bar: Any) -> Callable[[int, float], None]:
        best = self.best.score if self.best else -math.inf

        def report(epochs: int, score: float) -> None:
            nonlocal best
            best = max(best, score)
            bar.set_postfix_str(f"best fold {best:.4f}", refresh=False)
            bar.update(epochs)

        return report

    def _save(self, outcome: Outcome) -> None:
        """Write one outcome's files, then its row: a run is finished when its row is there."""
        args, trial, result = self.args, outcome.trial, outcome.result
        saved = saved_args(args, trial, self.data)
        files: dict[str, Path] = {}
        if result is not None:
            data = (self.loaded.corpus, self.loaded.train, self.loaded.tests)
            files = results.save_run(self.files_folder, saved, self.features, *data, result)
        device, identity = str(self.data.resident.device), self._identity(trial)
        row = leaderboard_row(args, saved, identity, self.features, outcome, files, self.folder, device)
        leaderboard.append(self.folder, row)
        if result is None:
            self.failed += 1
            print(f"{_named(trial)}: FAILED: {outcome.failure}")
            return
        print(f"{_named(trial)}: {_figures(result)}")
        score = float(selection_score(self.loaded.corpus.metric, result.scores))
        self._note(trial, score, result.scores, result, files)
        if args.savemodel and self.best is not None and self.best.trial == trial:
            self._write_model(trial, result, files)

    def save_model(self) -> None:
        """Make sure that the best run's weights are saved; a run of an earlier process is trained once more for it."""
        if self.best is None or self.best.result is not None:
            return  # nothing succeeded, or it was saved when it became the best
        trial, path = self.best.trial, self._model_folder(self.best.trial)
        if path.exists():
            return
        print(f"training {_named(trial)} again to save its weights")
        with progress_bar(0, "training", unit="epoch", enabled=False) as bar:
            outcome = next(iter(self._outcomes([trial], bar)))
        if outcome.result is not None:
            self._write_model(trial, outcome.result, {})

    def _model_folder(self, trial: Trial) -> Path:
        name = f"{results.file_suffix(self.args, self.features)}_{self._identity(trial)[:8]}"
        return self.folder / "model" / name

    def _write_model(self, trial: Trial, result: RunResult, files: dict[str, Path]) -> None:
        saved = saved_args(self.args, trial, self.data)
        saved.run_id = self._identity(trial)
        path = saved_model.save(self._model_folder(trial), saved, self.loaded.features, self.loaded.corpus, result)
        if self.saved is not None and self.saved != path:
            shutil.rmtree(self.saved, ignore_errors=True)  # a better run has been found since
        files["model"] = self.saved = path

    def _note_row(self, trial: Trial, row: dict[str, str]) -> None:
        if row["status"] != "ok":
            self.failed += 1
            return
        scores = {key: float(row[key]) for key in ("f1", "acc", "mse", "loss") if row[key]}
        files = {name: self.folder / path for name, path in json.loads(row["files"]).items()}
        self._note(trial, float(selection_score(self.loaded.corpus.metric, scores)), scores, files=files)

    def _note(self, trial: Trial, score: float, scores: dict[str, float], result=None, files=None) -> None:
        self.done += 1
        score = round(score, 6)  # as the leaderboard has it, so that a continued search chooses the same run
        if trial.phase == "repeat":
            self.repeats.append({key: scores[key] for key in ("f1", "acc", "mse") if key in scores})
        elif self.best is None or (-score, trial.number) < (-self.best.score, self.best.trial.number):
            self.best = _Best(score, trial, result, files)


def _figures(result: RunResult) -> str:
    shown = ", ".join(f"{key} {result.scores[key]:.4f}" for key in ("f1", "acc", "mse") if key in result.scores)
    epochs = " ".join(str(fold.best_epoch) for fold in result.folds)
    return f"cv {shown} (best epochs {epochs})"


def _named(trial: Trial) -> str:
    keys = sorted(trial.hyper, key=lambda key: key in OPTIMISER_KEYS)
    return f"{trial.phase} {trial.number}, seed {trial.seed}, " + ", ".join(f"{key} {trial.hyper[key]}" for key in keys)
