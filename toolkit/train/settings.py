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


@dataclass(frozen=True)
class Trial:
    """One run of the search: its model, its drawn hyper-parameters and its seed.

    Every random choice of the run is a function of `seed`: hyper-parameters, folds, initial weights, dropout, order.
    """

    model: str
    hyper: Mapping[str, Any]
    seed: int

    def stream(self, purpose: str, fold: int = 0) -> int:
        """A 63-bit seed of its own for one purpose, so that no two random choices share a stream."""
        return stream_seed(self.seed, purpose, fold)


_PURPOSES = ("hyper", "folds", "weights", "order")


def stream_seed(seed: int, purpose: str, fold: int = 0) -> int:
    """The seed of stream `purpose` (hyper, folds, weights, order) of run `seed`, per fold."""
    sequence = np.random.SeedSequence([seed, _PURPOSES.index(purpose), fold])
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)
