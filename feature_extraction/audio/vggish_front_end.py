"""VGGish's front end: a waveform at 16 kHz becomes log-mel examples of 0.96 s, ``(n, 96, 64)``.

Hershey et al., "CNN Architectures for Large-Scale Audio Classification", ICASSP 2017; the numbers are those of Google's
VGGish release. A clip under 1 s is repeated until it is at least 1 s long, so every clip has an example.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from feature_extraction.audio.wav_reader import SAMPLE_RATE

FRAME = 400  # samples: 25 ms
HOP = 160  # samples: 10 ms
FFT = 512  # the next power of two
BANDS = 64  # mel bands between LOWEST and HIGHEST
LOWEST = 125.0  # Hz
HIGHEST = 7500.0  # Hz
LOG_OFFSET = 0.01  # log(0.01) is what silence becomes
EXAMPLE_FRAMES = 96  # 0.96 s
EXAMPLE_HOPS = {"UTTERANCE": 50, "FRAME": 5}  # frames of 10 ms between two examples: 0.5 s, 0.05 s
BLOCK = 8192  # frames transformed together: bounds memory for long files


def repeat_short(wave: np.ndarray) -> np.ndarray:
    """A wave ``(n,)``, n >= 1, under 1 s is repeated whole times until it is at least 1 s; others are unchanged."""
    return np.tile(wave, math.ceil(SAMPLE_RATE / len(wave))) if len(wave) < SAMPLE_RATE else wave


def log_mel(wave: np.ndarray) -> np.ndarray:
    """Log-mel spectrogram ``(T, 64)`` float32, 100 frames a second, of a wave ``(n,)`` with n >= 400.

    Magnitudes (not powers) of a 512-point transform under a periodic Hann window, mel-weighted, ``log(x + 0.01)``.
    """
    frames = np.lib.stride_tricks.sliding_window_view(wave, FRAME)[::HOP]  # (T, 400), a view
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)
    rows = np.empty((len(frames), BANDS), np.float32)
    for start in range(0, len(frames), BLOCK):
        magnitudes = np.abs(np.fft.rfft(frames[start : start + BLOCK] * window, FFT))  # float64 inside
        rows[start : start + BLOCK] = np.log(magnitudes @ mel_weights() + LOG_OFFSET)
    return rows


@functools.cache
def mel_weights() -> np.ndarray:
    """Triangles ``(257, 64)`` on the mel scale ``1127 ln(1 + f / 700)``; the constant (0 Hz) bin has no weight."""
    bins = _mel(np.linspace(0.0, SAMPLE_RATE / 2, FFT // 2 + 1))[:, None]
    edges = np.linspace(_mel(LOWEST), _mel(HIGHEST), BANDS + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    weights = np.maximum(0.0, np.minimum((bins - lower) / (centre - lower), (upper - bins) / (upper - centre)))
    weights[0] = 0.0
    return weights


def _mel(hertz: np.ndarray | float) -> np.ndarray:
    return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)


def examples(spectrogram: np.ndarray, hop: int) -> np.ndarray:
    """All whole examples ``(n, 96, 64)`` of a spectrogram ``(T, 64)``, one each `hop` frames: a view, not a copy."""
    views = np.lib.stride_tricks.sliding_window_view(spectrogram, EXAMPLE_FRAMES, axis=0)[::hop]  # (n, 64, 96)
    return views.transpose(0, 2, 1)
