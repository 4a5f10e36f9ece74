"""How far a mean can be trusted: bootstrap over samples, the same resamples for all systems (so they are paired)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CHUNK_NUMBERS = 2_000_000  # drawn at a time: 16 MB


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
    # Scores are fractions of small numbers: few rows differ. How often each of them is drawn is multinomial, so that a
    # resample of 100,000 samples costs as many numbers as there are different rows.
    rows, counts = np.unique(values, axis=0, return_counts=True)
    shares = counts / len(values)
    chunk = max(1, CHUNK_NUMBERS // len(rows))
    parts = []
    for start in range(0, resamples, chunk):
        drawn = generator.multinomial(len(values), shares, size=min(chunk, resamples - start))  # (chunk, rows)
        parts.append(drawn @ rows / len(values))
    return np.concatenate(parts)


def interval(value: float, draws: np.ndarray) -> Interval:
    """The 95% interval of draws (resamples,) around the measured `value`."""
    low, high = np.percentile(draws, [2.5, 97.5])
    return Interval(float(value), float(low), float(high))
