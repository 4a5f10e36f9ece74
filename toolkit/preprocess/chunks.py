"""Pieces of sound that a speech recogniser can take: long clips are cut where it is quietest, silence is left out.

Whisper sees exactly 30 s, and recognisers put words into digital silence; both hold for every back end here.
"""

from __future__ import annotations

import numpy as np

from toolkit.preprocess.media import SAMPLE_RATE

WINDOW = 30 * SAMPLE_RATE  # samples of the longest piece
SEARCH = 10 * SAMPLE_RATE  # samples before that limit in which a place to cut is looked for
HOP = SAMPLE_RATE // 50  # samples; the place is found to 20 ms
PAUSE = 15  # hops; the quietest stretch of 0.3 s is cut in its middle: shorter ones are inside words, too
SHORTEST = SAMPLE_RATE // 10  # samples; a shorter piece holds no word
QUIET = 1e-3  # full scale is 1: a piece that stays below -60 dB is silence


def speech_chunks(waveform: np.ndarray) -> list[np.ndarray]:
    """`waveform` ``(n,)`` in order, in pieces of at most 30 s; pieces of silence or below 0.1 s are left out."""
    bounds = [0, *cut_places(waveform), len(waveform)]
    pieces = [waveform[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]
    return [piece for piece in pieces if len(piece) >= SHORTEST and np.abs(piece).max() >= QUIET]


def cut_places(waveform: np.ndarray) -> list[int]:
    """Where a waveform above 30 s is cut: each piece ends in the quietest 0.3 s of its last 10 s (the last such)."""
    places: list[int] = []
    start = 0
    while len(waveform) - start > WINDOW:
        first = start + WINDOW - SEARCH
        energy = np.square(waveform[first : first + SEARCH].reshape(-1, HOP), dtype=np.float64).sum(axis=1)
        stretches = np.lib.stride_tricks.sliding_window_view(energy, PAUSE).sum(axis=1)
        quietest = len(stretches) - 1 - int(stretches[::-1].argmin())
        start = first + (2 * quietest + PAUSE) * HOP // 2
        places.append(start)
    return places
