"""Runs of one experiment together: equal corpus, model, features and settings; hyper-parameters and seeds vary."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from toolkit.report.runs import NAN, Run

_SEPARATOR = re.compile(r"[-_](UTT|FRA)$")
_IN_LABELS = frozenset("train_dataset test_dataset fusion_topn fusion_modality".split())
KINDS = {1: "unimodal", 2: "bimodal", 3: "trimodal"}


@dataclass(frozen=True)
class Group:
    """All runs of one experiment.

    Attributes:
        search: finished runs of the search, best first (of the repeats where there are only those).
        repeats: finished runs of the best hyper-parameters with new seeds.
        failed: runs without a score.
        difference: the settings in which this group differs from others of the report, e.g. ``epochs 20``.
    """

    search: list[Run]
    repeats: list[Run]
    failed: list[Run]
    difference: str

    @property
    def example(self) -> Run:
        """Any of the runs: for what they have in common."""
        return [*self.search, *self.failed][0]

    @property
    def finished(self) -> list[Run]:
        """Search and repeats, each run once."""
        return self.search if self.best and self.best.repeat else [*self.search, *self.repeats]

    @property
    def best(self) -> Run | None:
        return self.search[0] if self.search else None

    @property
    def dataset(self) -> str:
        return self.example.dataset

    @property
    def model(self) -> str:
        return self.example.text("model")

    @cached_property
    def label(self) -> str:
        return self.example.label + (f" ({self.difference})" if self.difference else "")

    @cached_property
    def kind(self) -> str:
        count = len(self.example.features)
        return KINDS.get(count, f"{count} features" if count else "")

    @property
    def score(self) -> float:
        return self.best.score if self.best else NAN

    @cached_property
    def f1(self) -> np.ndarray:
        """f1 of the search's runs that have one."""
        values = np.array([run.f1 for run in self.search], dtype=np.float64)
        return values[np.isfinite(values)]

    @property
    def seconds(self) -> float:
        return total(run.number("seconds") for run in [*self.finished, *self.failed])


def group_runs(runs: Sequence[Run]) -> list[Group]:
    """Groups of `runs`, best first within each corpus, corpora by name."""
    varying = _varying(runs)
    groups = []
    for members in split(runs, _identity).values():
        difference = ", ".join(f"{key} {members[0].settings.get(key, 'none')}" for key in varying)
        done = sorted((run for run in members if run.ok), key=_rank)
        search = [run for run in done if not run.repeat]
        repeats = [run for run in done if run.repeat]
        groups.append(Group(search or repeats, repeats, [run for run in members if not run.ok], difference))
    return sorted(groups, key=lambda group: (group.dataset, _nan_last(group.score), group.label, group.model))


def split(items: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    """`items` by `key`, in order of first appearance."""
    parts: dict[Any, list[Any]] = {}
    for item in items:
        parts.setdefault(key(item), []).append(item)
    return parts


def by_dataset(groups: Sequence[Group]) -> dict[str, list[Group]]:
    """`groups` per corpus, best first."""
    return split(groups, lambda group: group.dataset)


def mean_std(values: Sequence[float]) -> tuple[float, float]:
    """Mean and population standard deviation; NaN without values, no deviation of a single one."""
    array = np.array([value for value in values if math.isfinite(value)], dtype=np.float64)
    if not array.size:
        return NAN, NAN
    return float(array.mean()), float(array.std()) if array.size > 1 else NAN


def total(values: Iterable[float]) -> float:
    """Sum of the finite values; NaN when there is none."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) if finite else NAN


def hyper_key(hyper: dict[str, Any]) -> str:
    """Equal for equal hyper-parameters."""
    return json.dumps(hyper, sort_keys=True, default=str)


def _identity(run: Run) -> tuple:
    row = tuple(run.text(name) for name in ("dataset", "model", "feat_type"))
    inputs = tuple(_SEPARATOR.sub(r"-\1", name) for _, name in run.inputs)  # "a_UTT" and "a-UTT" are one feature
    return (*row, inputs, _key(run.settings))


def _varying(runs: Sequence[Run]) -> list[str]:
    """Settings to name, because runs that look alike differ in them."""
    keys = dict.fromkeys(key for run in runs for key in run.settings if key not in _IN_LABELS)
    alike = split(runs, lambda run: run.text("feat_type")).values()  # which decides feat_scale
    return [key for key in keys if any(len({_key(run.settings.get(key)) for run in some}) > 1 for some in alike)]


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _rank(run: Run) -> tuple:
    return _nan_last(run.score), run.text("run_id")


def _nan_last(score: float) -> float:
    return -score if math.isfinite(score) else math.inf
