"""The search: which trials are run, in which groups, and which one is best (SPEC 6)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toolkit.train.hyperparams import draw
from toolkit.train.settings import Trial, stream_seed
from toolkit.utils.errors import UserError

# Hyper-parameters in which the members of one stack may differ: they change no shape, and they are tensors (buffers) or
# handled outside the model.
FREE_KEYS = frozenset({"lr", "dropout", "grad_clip", "alpha", "beta", "sim_weight", "diff_weight", "recon_weight"})
TRAINERS = ("auto", "population", "loop")
CPU_MEMBERS = 40  # trials x folds in one stack on a CPU: larger stacks gain nothing and lose more when interrupted


def resolve_trainer(choice: str, feat_type: str) -> str:
    """ "population" for utterance features, "loop" for frames (recurrent encoders), unless the user chose.

    Raises:
        UserError: population was asked for with frame features.
    """
    if choice == "population" and feat_type != "utt":
        raise UserError(f"--trainer population trains utterance features only; use --trainer loop with {feat_type}")
    return ("population" if feat_type == "utt" else "loop") if choice == "auto" else choice


def random_trials(model: str, space: Mapping[str, list[Any]], count: int, seed: int) -> list[Trial]:
    """`count` uniform draws; trial i is a function of ``seed + i``, so it equals a single run with that seed."""
    return [
        Trial(model, draw(space, stream_seed(seed + number, "hyper")), seed + number, number) for number in range(count)
    ]


def grid_trials(model: str, space: Mapping[str, list[Any]], seed: int) -> list[Trial]:
    """Every point of the space once, in the order of the file; point i has seed ``seed + i``."""
    points = itertools.product(*space.values())
    return [
        Trial(model, dict(zip(space, values, strict=True)), seed + number, number)
        for number, values in enumerate(points)
    ]


def repeat_trials(best: Trial, count: int, seed: int, start: int) -> list[Trial]:
    """`count` further runs with the hyper-parameters of `best`; seeds go on after the search's: ``seed + start`` ..."""
    return [Trial(best.model, best.hyper, seed + start + number, start + number, "repeat") for number in range(count)]


def distinct_points(trials: Sequence[Trial]) -> int:
    """How many different hyper-parameter sets the trials have."""
    return len({tuple(sorted(trial.hyper.items())) for trial in trials})


def space_size(space: Mapping[str, list[Any]]) -> int:
    """Number of points of a space."""
    return math.prod(len(values) for values in space.values())


def stacks(trials: Sequence[Trial], limit: int) -> Iterator[list[Trial]]:
    """Cut trials into groups that can be trained as one stack, at most `limit` trials each.

    The cut depends on the plan only, never on what is finished: a continued search trains the same stacks.
    """
    groups: dict[tuple, list[Trial]] = {}
    for trial in trials:
        fixed = tuple(sorted((key, value) for key, value in trial.hyper.items() if key not in FREE_KEYS))
        groups.setdefault((trial.model, fixed), []).append(trial)
    for group in groups.values():
        for start in range(0, len(group), limit):
            yield group[start : start + limit]
