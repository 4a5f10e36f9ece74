"""Mixing noise into speech at a given signal-to-noise ratio, all in int16 samples.

The rule (golden/functions.json, mix_at_snr): the noise gets the RMS ``rms(clean) / 10^(snr / 20)`` and is added; a sum
that leaves the range of int16 is scaled down as a whole until its peak fits; the result is truncated towards zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_CHUNK = 1 << 20  # samples worked on at a time: a clip of hours needs no float copy of itself
_LOWEST, _HIGHEST = -32768, 32767


@dataclass(frozen=True)
class Mixture:
    """A mixed signal and how it came about.

    Attributes:
        samples: int16 ``(N,)``.
        gain: factor on the noise.
        scale: factor on the sum, 1.0 unless it had to be scaled down to fit.
        measured_snr: dB, from the int16 result: power of the clean samples over that of what was added to them.
    """

    samples: np.ndarray
    gain: float
    scale: float
    measured_snr: float


def root_mean_square(samples: np.ndarray) -> float:
    """RMS of int16 samples; the sum of squares is exact, so it does not depend on how the signal is cut."""
    if not len(samples):
        return 0.0
    total = sum(int(np.square(samples[part], dtype=np.int64).sum()) for part in _parts(len(samples)))
    return math.sqrt(total / len(samples))


def mix_at_snr(clean: np.ndarray, noise: np.ndarray, snr: float, out: np.ndarray | None = None) -> Mixture:
    """Add `noise` to `clean` so that their ratio is `snr` dB.

    Args:
        clean, noise: int16 of equal length, neither silent.
        out: int16 array for the result, may be `noise` itself (long clips).

    Raises:
        ValueError: different lengths or a silent signal: there is no gain for those.
    """
    if clean.shape != noise.shape or clean.ndim != 1:
        raise ValueError(f"clean has shape {clean.shape}, noise {noise.shape}; both must be the same (N,)")
    clean_rms, noise_rms = root_mean_square(clean), root_mean_square(noise)
    if clean_rms == 0 or noise_rms == 0:
        raise ValueError("silence has no signal-to-noise ratio")
    gain = clean_rms / 10 ** (snr / 20) / noise_rms
    scale = _fitting_scale(clean, noise, gain)
    samples = np.empty_like(clean) if out is None else out
    added = 0.0  # energy
    for part in _parts(len(clean)):
        total = clean[part] + noise[part] * gain
        samples[part] = (total * scale if scale != 1 else total).astype(np.int16)
        added += float(np.square(samples[part] / scale - clean[part]).sum())
    added_rms = math.sqrt(added / len(clean))
    measured = 20 * math.log10(clean_rms / added_rms) if added_rms > 0 else math.inf
    return Mixture(samples, gain, scale, measured)


def _fitting_scale(clean: np.ndarray, noise: np.ndarray, gain: float) -> float:
    peaks = [(total.min(), total.max()) for total in (clean[part] + noise[part] * gain for part in _parts(len(clean)))]
    lowest, highest = float(min(low for low, _ in peaks)), float(max(high for _, high in peaks))
    if lowest >= _LOWEST and highest <= _HIGHEST:
        return 1.0
    return _HIGHEST / highest if highest >= -lowest else _LOWEST / lowest


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, start + _CHUNK) for start in range(0, count, _CHUNK))
