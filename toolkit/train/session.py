"""One command's runs: which are done already, which this process trains now, what is saved, which is best."""

from __future__ import annotations

import argparse
import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from toolkit.dataloader.loading import RunData
from toolkit.train import leaderboard, results, saved_model
from toolkit.train.claims import Claims
from toolkit.train.crossval import RunResult, TrainingData
from toolkit.train.fold_workers import usable_cores
from toolkit.train.hyperparams import OPTIMISER_KEYS
from toolkit.train.inputs import named_features
from toolkit.train.record import data_fingerprint, leaderboard_row, run_identity, saved_args
from toolkit.train.settings import Optimisation, Trial
from toolkit.train.trainer import Outcome, plan, run_group
from toolkit.utils.metric import selection_score
from toolkit.utils.progress import progress_bar


def _jobs(args: argparse.Namespace, device: torch.device) -> int:
    """Processes for the loop: one per core that no thread of another takes; a GPU is used by this process alone."""
    if args.trainer != "loop" or device.type != "cpu":
        return 1
    return args.jobs or max(1, usable_cores() // (args.threads or torch.get_num_threads()))


@dataclass(frozen=True)
class _Best:
    """The best run of the search so far; `result` and `files` are there if it was run by this process."""

    score: float
    trial: Trial
    result: RunResult | None = None
    files: dict[str, Path] | None = None


class Session:
    """Trials of one command: what is done already, what runs now, what was best.

    Attributes:
        folder: holds the leaderboard; `files_folder` below it the results of the runs.
        best: the best run of the search so far.
        failed: number of runs that failed.
    """

    def __init__(self, args: argparse.Namespace, loaded: RunData, folder: Path, files: Path, device: Any) -> None:
        self.args, self.loaded, self.folder, self.files_folder = args, loaded, folder, files
        self.features = named_features(args, loaded)
        resident = loaded.train.to_device(device)
        resident_tests = {name: dataset.to_device(device) for name, dataset in loaded.tests.items()}
        self.data = TrainingData(
            loaded.corpus,
            loaded.train,
            loaded.tests,
            resident,
            resident_tests,
            loaded.folds,
            args.feat_type,
            loaded.extra,
        )
        self.jobs = _jobs(args, device)
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
        total = len(missing) * self._epochs_per_trial()
        with progress_bar(total, "training", unit="epoch") as bar, Claims(self.folder) as claims:
            taken = self._run_groups(self._plan(missing), claims, bar, wait=False)
            if taken:
                bar.clear()
                print(f"{len(taken)} runs are being trained by another process; waiting for them")
                self._run_groups([[trial] for trial in taken], claims, bar, wait=True)

    def _run_groups(self, groups: list[list[Trial]], claims: Claims, bar: Any, wait: bool) -> list[Trial]:
        """Train the groups; with --resume only what no other process trains. Returns what others have claimed."""
        taken: list[Trial] = []
        for group in groups:
            mine = group
            if self.args.resume:
                mine = [trial for trial in group if claims.take(self._identity(trial), wait)]
                taken += [trial for trial in group if trial not in mine]
                mine = self._still_missing(mine, bar)
            for outcome in self._outcomes(mine, bar):
                bar.clear()
                self._save(outcome)
                claims.give_back(self._identity(outcome.trial))
        return taken

    def _plan(self, trials: list[Trial]) -> list[list[Trial]]:
        args = self.args
        return plan(trials, self.data, args.batch_size, args.trainer, args.memory_gb, self.jobs)

    def _epochs_per_trial(self) -> int:
        return len(self.data.folds(0)) * self.args.epochs

    def _still_missing(self, group: list[Trial], bar: Any) -> list[Trial]:
        """The trials of `group` that no other process has finished in the meantime."""
        finished = leaderboard.finished_rows(self.folder)
        missing = []
        for trial in group:
            row = finished.get(self._identity(trial))
            if row is None:
                missing.append(trial)
            else:
                self._note_row(trial, row)
                bar.update(self._epochs_per_trial())
        return missing

    def _outcomes(self, group: Sequence[Trial], bar: Any) -> Iterator[Outcome]:
        args = self.args
        if not group:
            return iter(())
        report = self._reporter(bar)
        return run_group(group, self.data, self._optimisation, args.trainer, args.memory_gb, report, self.jobs)

    def report(self) -> None:
        """What the search came to."""
        if self.done > 1 and self.best is not None:
            print(f"best run: {named(self.best.trial)}, {self.loaded.corpus.metric} {self.best.score:.4f}")
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
            print(f"{named(trial)}: FAILED: {outcome.failure}")
            return
        print(f"{named(trial)}: {_figures(result)}")
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
        print(f"training {named(trial)} again to save its weights")
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
        data = (self.loaded.features, self.loaded.corpus, result, self.loaded.train)
        path = saved_model.save(self._model_folder(trial), saved, *data)
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


def named(trial: Trial) -> str:
    keys = sorted(trial.hyper, key=lambda key: key in OPTIMISER_KEYS)
    return f"{trial.phase} {trial.number}, seed {trial.seed}, " + ", ".join(f"{key} {trial.hyper[key]}" for key in keys)
