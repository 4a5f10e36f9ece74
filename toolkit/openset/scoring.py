"""Set accuracy and recall of predicted labels after synonyms are merged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SampleScore:
    """One sample: `hits` are the merged labels found on both sides, in alphabetical order."""

    name: str
    hits: tuple[str, ...]
    accuracy: float
    recall: float


@dataclass(frozen=True)
class Score:
    """Means over samples; `average` is the mean of the two and the ranking score of MER-OV."""

    samples: tuple[SampleScore, ...]
    accuracy: float
    recall: float

    @property
    def average(self) -> float:
        return (self.accuracy + self.recall) / 2


def merge_map(groups: Iterable[Sequence[str]]) -> dict[str, str]:
    """label -> first label of its group; of groups that repeat a label the later wins."""
    return {label: group[0] for group in groups for label in group}


def score_sample(name: str, gt: Iterable[str], pred: Iterable[str], merged: Mapping[str, str]) -> SampleScore:
    """accuracy = |gt & pred| / |pred|, recall = |gt & pred| / |gt| of the merged sets; both 0 when pred is empty.

    Labels that `merged` does not hold stand for themselves (exact match).

    Raises:
        ValueError: `gt` is empty, for which recall is not defined.
    """
    truth = {merged.get(label, label) for label in gt}
    guess = {merged.get(label, label) for label in pred}
    if not truth:
        raise ValueError(f"{name}: no true label")
    if not guess:
        return SampleScore(name, (), 0.0, 0.0)
    hits = truth & guess
    return SampleScore(name, tuple(sorted(hits)), len(hits) / len(guess), len(hits) / len(truth))


def mean_score(samples: Iterable[SampleScore]) -> Score:
    """Means over samples, summed in the order of their names so that the last digit does not depend on the files.

    Raises:
        ValueError: there is no sample.
    """
    ordered = tuple(sorted(samples, key=lambda sample: sample.name))
    if not ordered:
        raise ValueError("no sample to score")
    # Not sum(): Python 3.12 changed its rounding.
    accuracy = float(np.mean([sample.accuracy for sample in ordered]))
    recall = float(np.mean([sample.recall for sample in ordered]))
    return Score(ordered, accuracy, recall)
