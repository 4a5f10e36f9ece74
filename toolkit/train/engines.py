"""Who trains the groups of a search: this process and its own, here; workers of a Ray cluster, `ray_training.py`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Protocol

import torch

from toolkit.dataloader.loading import RunData
from toolkit.train.crossval import TrainingData
from toolkit.train.fold_workers import usable_cores
from toolkit.train.settings import Optimisation, Trial
from toolkit.train.trainer import Outcome, Report, plan, run_group


class Engine(Protocol):
    """Trains groups of trials; `device` is where, as text."""

    device: str

    def plan(self, trials: Sequence[Trial]) -> list[list[Trial]]:
        """The groups that are trained together, in order."""

    def outcomes(self, groups: Iterable[list[Trial]], report: Report) -> Iterator[Outcome]:
        """Train all groups; a group is asked for when there is somebody to train it."""


class LocalEngine:
    """Training in this process; the loop on a CPU also in processes of its own."""

    def __init__(self, args: argparse.Namespace, data: TrainingData) -> None:
        self.args, self.data = args, data
        self.jobs = _jobs(args, data.resident.device)
        self.device = str(data.resident.device)

    def plan(self, trials: Sequence[Trial]) -> list[list[Trial]]:
        """See `Engine`."""
        return plan_of(self.args, self.data, trials, self.jobs)

    def outcomes(self, groups: Iterable[list[Trial]], report: Report) -> Iterator[Outcome]:
        """See `Engine`."""
        for group in groups:
            yield from train_group(self.args, self.data, group, report, self.jobs)


def resident_data(args: argparse.Namespace, loaded: RunData, device: torch.device) -> TrainingData:
    """What was read, on a device."""
    return TrainingData(
        loaded.corpus,
        loaded.train,
        loaded.tests,
        loaded.train.to_device(device),
        {name: dataset.to_device(device) for name, dataset in loaded.tests.items()},
        loaded.folds,
        args.feat_type,
        loaded.extra,
    )


def plan_of(args: argparse.Namespace, data: TrainingData, trials: Sequence[Trial], jobs: int) -> list[list[Trial]]:
    """`toolkit.train.trainer.plan` with the flags of the command line."""
    return plan(trials, data, args.batch_size, args.trainer, args.memory_gb, jobs)


def train_group(
    args: argparse.Namespace,
    data: TrainingData,
    group: Sequence[Trial],
    report: Report = lambda epochs, best: None,
    jobs: int = 1,
) -> Iterator[Outcome]:
    """`toolkit.train.trainer.run_group` with the flags of the command line."""
    optimisation: Callable[[Trial], Optimisation] = partial(_optimisation, args)
    return run_group(group, data, optimisation, args.trainer, args.memory_gb, report, jobs)


def _optimisation(args: argparse.Namespace, trial: Trial) -> Optimisation:
    return Optimisation(
        lr=float(trial.hyper["lr"]),
        l2=args.l2,
        grad_clip=float(trial.hyper["grad_clip"]),
        batch_size=args.batch_size,
        epochs=args.epochs,
        shuffle=not args.no_shuffle,
    )


def _jobs(args: argparse.Namespace, device: torch.device) -> int:
    """Processes for the loop: one per core that no thread of another takes; a GPU is used by this process alone."""
    if args.trainer != "loop" or device.type != "cpu":
        return 1
    return args.jobs or max(1, usable_cores() // (args.threads or torch.get_num_threads()))
