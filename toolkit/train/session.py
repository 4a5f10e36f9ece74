"""One command's runs: which are done already, which this process trains now, what is saved, which is best."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import shutil
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from toolkit.dataloader.loading import RunData
from toolkit.train import leaderboard, results, saved_model
from toolkit.train.claims import Claims
from toolkit.train.crossval import RunResult
from toolkit.train.engines import Engine, LocalEngine, resident_data
from toolkit.train.hyperparams import OPTIMISER_KEYS
from toolkit.train.inputs import named_features
from toolkit.train.record import data_fingerprint, leaderboard_row, run_identity, saved_args
from toolkit.train.settings import Trial
from toolkit.train.trainer import Outcome
from toolkit.utils.metric import selection_score
from toolkit.utils.progress import progress_bar
from toolkit.utils.ray_engine import ray_options


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
        self.ray = ray_options(args.engine, args.ray_address, args.ray_workers, args.gpus_per_worker)
        self.data = resident_data(args, loaded, torch.device("cpu") if self.ray else device)
        self._ending = contextlib.ExitStack()
        weakref.finalize(self, self._ending.close)  # whatever happens between two calls
        self._started: Engine | None = None
        self.fingerprint = data_fingerprint(loaded)
        self.finished = leaderboard.finished_rows(folder) if args.resume else {}
        self.best: _Best | None = None
        self.saved: Path | None = None
        self.others: list[Trial] = []  # trained by an earlier process, or by another one
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
            taken = self._run_groups(self._engine().plan(missing), claims, bar, wait=False)
            if taken:
                bar.clear()
                print(f"{len(taken)} runs are being trained by another process; waiting for them")
                for trial in taken:  # one at a time: who waits must not hold what another one waits for
                    self._run_groups([[trial]], claims, bar, wait=True)

    def _engine(self) -> Engine:
        """Who trains; a cluster stays for further runs, until `report`."""
        if self._started is None and self.ray is None:
            self._started = LocalEngine(self.args, self.data)
        elif self._started is None:
            from toolkit.train.ray_training import ray_engine

            self._started = self._ending.enter_context(ray_engine(self.args, self.loaded, self.data, self.ray))
        return self._started

    def _run_groups(self, groups: list[list[Trial]], claims: Claims, bar: Any, wait: bool) -> list[Trial]:
        """Train the groups; with --resume only what no other process trains. Returns what others have claimed."""
        taken: list[Trial] = []
        for outcome in self._engine().outcomes(self._mine(groups, claims, bar, wait, taken), self._reporter(bar)):
            bar.clear()
            self._save(outcome)
            claims.give_back(self._identity(outcome.trial))
        return taken

    def _mine(
        self, groups: list[list[Trial]], claims: Claims, bar: Any, wait: bool, taken: list[Trial]
    ) -> Iterator[list[Trial]]:
        """What this process trains of each group; what others have claimed is added to `taken`."""
        for group in groups:
            mine = group
            if self.args.resume:
                mine = [trial for trial in group if claims.take(self._identity(trial), wait)]
                taken += [trial for trial in group if trial not in mine]
                mine = self._still_missing(mine, bar)
            if mine:
                yield mine

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

    def report(self) -> None:
        """What the search came to; the last call."""
        self._ending.close()
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
        device, identity = self._engine().device, self._identity(trial)
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
        if self.best is None:
            return  # nothing succeeded
        trial, path = self.best.trial, self._model_folder(self.best.trial)
        for older in [self.saved, *map(self._model_folder, self.others)]:
            if older not in (None, path):  # the best for a time, here or in a process that was killed
                shutil.rmtree(older, ignore_errors=True)
        if self.best.result is not None or path.exists():
            return  # saved when it became the best
        print(f"training {named(trial)} again to save its weights")
        with progress_bar(0, "training", unit="epoch", enabled=False) as bar:
            outcome = next(iter(self._engine().outcomes([[trial]], self._reporter(bar))))
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
        self.others.append(trial)
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
