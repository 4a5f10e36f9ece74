"""Running trials: the plain loop, one after the other, or the population trainer, a stack at a time."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from toolkit.dataloader.splits import Folds
from toolkit.models import build_model
from toolkit.train.crossval import RunResult, TrainingData, combine, run_fold
from toolkit.train.fold_workers import run_tasks
from toolkit.train.loop import FoldResult, Predictions
from toolkit.train.population import Member, train_population
from toolkit.train.search import CPU_MEMBERS, stacks
from toolkit.train.settings import Optimisation, Trial
from toolkit.utils.loss import training_loss
from toolkit.utils.metric import selection_score

# Bytes per parameter of a stack's member: weight, gradient, two Adam moments, best weight, one for passing copies.
COPIES = 6 * 4


@dataclass(frozen=True)
class Outcome:
    """One trial that ran: its result, or why there is none. `seconds`: of its folds, or its share of its stack's."""

    trial: Trial
    result: RunResult | None
    failure: str
    seconds: float


CPU_MEMORY = 4 * 2**30  # bytes for a stack on a CPU when --memory_gb is not given

Report = Callable[[int, float], None]  # (epochs of folds done since the last call, best selection score among them)


def plan(
    trials: Sequence[Trial], data: TrainingData, batch_size: int, trainer: str, memory_gb: float | None, jobs: int = 1
) -> list[list[Trial]]:
    """The groups that `run_group` takes, in order: `jobs` trials for the loop, stacks that fit memory else."""
    if trainer == "loop":
        return [list(trials[start : start + jobs]) for start in range(0, len(trials), jobs)]
    folds = len(data.folds(0))
    groups = []
    for group in stacks(trials, len(trials)):
        fit = members_that_fit(group[0], data, batch_size, memory_gb)
        groups += list(stacks(group, max(1, fit // folds)))
    return groups


def members_that_fit(trial: Trial, data: TrainingData, batch_size: int, memory_gb: float | None) -> int:
    """How many members like those of `trial` one stack may hold; at least 1 (then it is as large as a plain run)."""
    device = data.resident.device
    if memory_gb is not None:
        memory = memory_gb * 2**30
    elif device.type == "cuda":
        memory = 0.7 * torch.cuda.mem_get_info(device)[0]
    else:
        memory = CPU_MEMORY
    fit = max(1, int(memory // member_bytes(trial, data, batch_size)))
    return fit if device.type == "cuda" else min(fit, CPU_MEMBERS)


def member_bytes(trial: Trial, data: TrainingData, batch_size: int) -> int:
    """Memory of one member in training: its parameters' copies, its batch, what one step saves, its dropout masks."""
    with torch.random.fork_rng(devices=[]):
        model = build_model(trial.model, data.config(trial)).train()
        saved: dict[int, int] = {}

        def note(tensor: torch.Tensor) -> torch.Tensor:
            saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        rows = min(batch_size, len(data.train))
        batch = {key: value.cpu() for key, value in data.resident.batch(range(rows)).items()}
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            output = model(batch)
            loss = training_loss(output.emos, output.vals, output.interloss, batch)
    del loss
    parameters = sum(parameter.numel() for parameter in model.parameters())
    inputs = sum(value.numel() for value in batch.values())
    return COPIES * parameters + 3 * sum(saved.values()) + 4 * 4 * inputs


def run_group(
    group: Sequence[Trial],
    data: TrainingData,
    optimisation: Callable[[Trial], Optimisation],
    trainer: str,
    memory_gb: float | None = None,
    report: Report = lambda epochs, best: None,
    jobs: int = 1,
) -> Iterator[Outcome]:
    """Train one group of the plan; outcomes as the trials finish. `jobs` processes share the folds of the loop."""
    if trainer == "loop":
        yield from _run_loop(group, data, optimisation, report, jobs)
        return
    started = time.perf_counter()
    limit = members_that_fit(group[0], data, optimisation(group[0]).batch_size, memory_gb)
    results = _run_stack(group, data, optimisation, limit, report)
    seconds = (time.perf_counter() - started) / len(group)
    for trial, result in zip(group, results, strict=True):
        yield _outcome(trial, result, seconds)


def _outcome(trial: Trial, result: RunResult | str, seconds: float) -> Outcome:
    failure = result if isinstance(result, str) else ""
    return Outcome(trial, None if failure else result, failure, seconds)


def _run_loop(group, data: TrainingData, optimisation, report: Report, jobs: int) -> Iterator[Outcome]:
    """The folds of all trials of `group`, `jobs` at a time, each in the plain loop."""
    metric = data.corpus.metric
    pairs = [data.folds(trial.stream("folds")) for trial in group]
    tasks = [(number, fold) for number in range(len(group)) for fold in range(len(pairs[number]))]
    parts: list[dict[int, tuple]] = [{} for _ in group]
    seconds = [0.0] * len(group)

    def train(number: int, fold: int, on_epoch: Callable[[float], None]) -> tuple:
        def scored(scores: dict[str, float]) -> None:
            on_epoch(selection_score(metric, scores))

        return run_fold(group[number], fold, data, optimisation(group[number]), scored)

    for task, part, took in run_tasks(train, tasks, jobs, lambda score: report(1, score)):
        number, fold = tasks[task]
        parts[number][fold] = part
        seconds[number] += took
        if len(parts[number]) == len(pairs[number]):
            yield _outcome(
                group[number], _loop_result(group[number], data, pairs[number], parts[number]), seconds[number]
            )


def _loop_result(trial: Trial, data: TrainingData, pairs: Folds, parts: dict[int, tuple]) -> RunResult | str:
    ordered = [parts[fold] for fold in range(len(pairs))]
    failures = [str(part) for part in ordered if isinstance(part, FloatingPointError)]
    if failures:
        return failures[0]
    return combine(trial, data, pairs, [fold for fold, _ in ordered], [tested for _, tested in ordered])


def _run_stack(group, data: TrainingData, optimisation, limit: int, report: Report) -> list[RunResult | str]:
    pairs = {trial.number: data.folds(trial.stream("folds")) for trial in group}
    by_size: dict[tuple[int, int], list[Member]] = defaultdict(list)  # equal steps per epoch within one stack
    for trial in group:
        for fold, (training, validation) in enumerate(pairs[trial.number]):
            member = Member(trial, fold, training, validation, data.config(trial), optimisation(trial))
            by_size[len(training), len(validation)].append(member)
    finished: dict[tuple[int, int], tuple[FoldResult, dict[str, Predictions]]] = {}
    parts = [members[start : start + limit] for members in by_size.values() for start in range(0, len(members), limit)]
    for members in parts:

        def on_epoch(epoch: int, scores: np.ndarray, count: int = len(members)) -> None:
            best = scores[np.isfinite(scores)]
            report(count, float(best.max()) if best.size else -np.inf)

        results = train_population(members, data.resident, data.resident_tests, data.corpus.metric, on_epoch)
        for member, result in zip(members, results, strict=True):
            finished[member.trial.number, member.fold] = result
    return [_trial_result(trial, data, pairs[trial.number], finished) for trial in group]


def _trial_result(
    trial: Trial,
    data: TrainingData,
    pairs: Folds,
    finished: dict[tuple[int, int], tuple[FoldResult, dict[str, Predictions]]],
) -> RunResult | str:
    parts = [finished[trial.number, fold] for fold in range(len(pairs))]
    for number, (fold, _) in enumerate(parts):
        losses = [scores["train_loss"] for scores in fold.history]
        broken = next((epoch for epoch, loss in enumerate(losses, start=1) if not np.isfinite(loss)), None)
        if broken is not None:
            return f"fold {number + 1}: the training loss became {losses[broken - 1]} in epoch {broken}"
        if not fold.best_epoch:
            return f"fold {number + 1}: no epoch gave finite validation outputs"
    return combine(trial, data, pairs, [fold for fold, _ in parts], [outputs for _, outputs in parts])
