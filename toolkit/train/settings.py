"""What one training run is, as frozen records: parsed at the edge, passed on, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Optimisation:
    """How weights are learned: Adam(lr, weight_decay=l2), values of gradients clipped to +-grad_clip (-1 = not)."""

    lr: float
    l2: float
    grad_clip: float
    batch_size: int
    epochs: int
    shuffle: bool = True


@dataclass(frozen=True)
class Trial:
    """One run of the search: its model, its drawn hyper-parameters and its seed.

    Every random choice of the run is a function of `seed`: hyper-parameters, folds, initial weights, dropout, order.
    """

    model: str
    hyper: Mapping[str, Any]
    seed: int
    number: int = 0  # position in its search
    phase: str = "search"  # or "repeat": a further run of the best trial

    def stream(self, purpose: str, fold: int = 0) -> int:
        """A 63-bit seed of its own for one purpose, so that no two random choices share a stream."""
        return stream_seed(self.seed, purpose, fold)


_PURPOSES = ("hyper", "folds", "weights", "order", "dropout")  # new ones at the end: the position decides the stream


def stream_seed(seed: int, purpose: str, fold: int = 0) -> int:
    """The seed of stream `purpose` (one of _PURPOSES) of run `seed`, per fold."""
    sequence = np.random.SeedSequence([seed, _PURPOSES.index(purpose), fold])
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)
