"""How far a mean can be trusted: bootstrap over samples, the same resamples for all systems (so they are paired)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """A mean and its 95% bootstrap interval (percentiles)."""

    mean: float
    low: float
    high: float


def resampled_means(values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means of `resamples` draws with replacement.

    Args:
        values: (N, K), one row per sample, one column per figure.

    Returns:
        (resamples, K); all columns see the same draws.
    """
    generator = np.random.default_rng(seed)
    count = len(values)
    return np.stack([values[generator.integers(0, count, count)].mean(axis=0) for _ in range(resamples)])


def interval(value: float, draws: np.ndarray) -> Interval:
    """The 95% interval of draws (resamples,) around the measured `value`."""
    low, high = np.percentile(draws, [2.5, 97.5])
    return Interval(float(value), float(low), float(high))
