"""``--engine ray``: groups of trials are trained by workers of a Ray cluster, each with the data in its memory or GPU.

This process plans, hands a group to whoever is free, and writes all files and the one leaderboard. On CPUs the groups
are those of the engine `local`, so the results are, too; on GPUs large stacks are cut so that every worker has one.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import ModuleType

import torch

from toolkit.dataloader.loading import RunData
from toolkit.train.crossval import TrainingData
from toolkit.train.engines import plan_of, resident_data, train_group
from toolkit.train.settings import Trial
from toolkit.train.trainer import Outcome, Report
from toolkit.utils.errors import UserError
from toolkit.utils.metric import selection_score
from toolkit.utils.ray_cluster import ray_cluster
from toolkit.utils.ray_engine import RayOptions
from toolkit.utils.ray_pool import RayPool, WorkerDied, room


class RayEngine:
    """The `Engine` of a search on Ray; made by `ray_engine`, whose block the workers live in."""

    def __init__(
        self, args: argparse.Namespace, loaded: RunData, data: TrainingData, options: RayOptions, ray: ModuleType
    ) -> None:
        self._args, self._loaded, self._data, self._ray = args, loaded, data, ray
        self._most, self._needs = room(ray, options, args.threads or 1, options.gpus != 0)
        self._pool: RayPool | None = None
        self.ending = contextlib.ExitStack()
        self.device = "cuda:0" if self._needs.gpus else "cpu"

    def plan(self, trials: Sequence[Trial]) -> list[list[Trial]]:
        """See `toolkit.train.engines.Engine`."""
        if not self._needs.gpus:
            return plan_of(self._args, self._data, trials, 1)
        workers = min(self._most, len(trials))
        with contextlib.closing(self._workers(workers).each([("plan", list(trials))])) as answers:
            _, groups = next(answers)  # a worker knows the memory of its GPU
        return spread(_checked(groups, trials), workers)

    def outcomes(self, groups: Iterable[list[Trial]], report: Report) -> Iterator[Outcome]:
        """See `toolkit.train.engines.Engine`.

        Raises:
            UserError: two workers did not survive a group.
        """
        given: list[list[Trial]] = []

        def items() -> Iterator[tuple[str, list[Trial]]]:
            for group in groups:
                given.append(group)
                yield "train", group

        known = len(groups) if isinstance(groups, Sequence) else self._most
        with contextlib.closing(self._workers(known).each(items())) as answers:
            for position, answer in answers:
                for outcome in _checked(answer, given[position]):
                    report(len(self._data.folds(0)) * self._args.epochs, self._score(outcome))
                    yield outcome

    def _score(self, outcome: Outcome) -> float:
        if outcome.result is None:
            return float("-inf")
        return float(selection_score(self._loaded.corpus.metric, outcome.result.scores))

    def _workers(self, wanted: int) -> RayPool:
        if self._pool is None:
            make = MakeTraining(self._args, self._loaded, self._needs.gpus > 0)
            pool = RayPool(self._ray, make, max(1, min(wanted, self._most)), self._needs, ahead=0)
            self._pool = self.ending.enter_context(pool)
        return self._pool


@contextlib.contextmanager
def ray_engine(
    args: argparse.Namespace, loaded: RunData, data: TrainingData, options: RayOptions
) -> Iterator[RayEngine]:
    """The engine, on a cluster for the length of the block; `data`: the same as `loaded`, on the CPU.

    Raises:
        UserError: no Ray, or no room for a worker.
    """
    with ray_cluster(options) as ray:
        engine = RayEngine(args, loaded, data, options, ray)
        with engine.ending:
            yield engine


@dataclass(frozen=True)
class MakeTraining:
    """Puts the data where a worker trains, and gives the function that plans and trains there."""

    args: argparse.Namespace
    loaded: RunData
    on_gpu: bool

    def __call__(self) -> TrainingWork:
        """Raises `UserError` when Ray gave no GPU to this worker that torch can use."""
        if self.on_gpu and not torch.cuda.is_available():
            raise UserError("a Ray worker finds no GPU that torch can use; give --gpus_per_worker 0 to train on CPUs")
        device = torch.device("cuda", 0) if self.on_gpu else torch.device("cpu")  # Ray shows it its own GPU only
        return TrainingWork(self.args, resident_data(self.args, self.loaded, device))


@dataclass(frozen=True)
class TrainingWork:
    """("plan", trials) -> groups; ("train", group) -> its outcomes, with weights only where they are saved."""

    args: argparse.Namespace
    data: TrainingData

    def __call__(self, item: tuple[str, list[Trial]]) -> list:
        kind, trials = item
        if kind == "plan":
            return plan_of(self.args, self.data, trials, 1)
        outcomes = list(train_group(self.args, self.data, trials))
        return outcomes if self.args.savemodel else [_without_weights(outcome) for outcome in outcomes]


def spread(groups: Sequence[list[Trial]], workers: int) -> list[list[Trial]]:
    """The groups, the largest cut in two until every worker has one (or all have one trial)."""
    cut = list(groups)
    while len(cut) < workers and (size := max(map(len, cut), default=0)) > 1:
        number = next(number for number, group in enumerate(cut) if len(group) == size)
        cut[number : number + 1] = [cut[number][: size // 2], cut[number][size // 2 :]]
    return cut


def _without_weights(outcome: Outcome) -> Outcome:
    if outcome.result is None:
        return outcome
    folds = [replace(fold, weights={}) for fold in outcome.result.folds]
    return replace(outcome, result=replace(outcome.result, folds=folds))


def _checked(answer: list | Exception, trials: Sequence[Trial]) -> list:
    if isinstance(answer, WorkerDied):
        numbers = ", ".join(str(trial.number) for trial in trials)
        raise UserError(
            f"two Ray workers died while they trained runs {numbers} (out of memory?); give --memory_gb, so that fewer "
            "are trained together. What is finished is in the leaderboard: add --resume"
        )
    if isinstance(answer, Exception):
        raise answer
    return answer
