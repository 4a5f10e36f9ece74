"""VGGish's front end against the reference vectors, and at its edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from feature_extraction.audio.vggish_front_end import (
    BLOCK,
    EXAMPLE_HOPS,
    examples,
    log_mel,
    mel_weights,
    repeat_short,
)

CASES = [f"sec{seconds}-hop{hop}" for seconds in ("0.4", "1.0", "2.5", "4.37") for hop in ("0.05", "0.5")]


def golden_signal(seconds: float) -> np.ndarray:
    """The reference's signal, as read from PCM16."""
    t = np.arange(round(seconds * 16000)) / 16000
    x = 0.3 * np.sin(2 * np.pi * 220 * t) + 0.2 * np.sin(2 * np.pi * (500 + 800 * t) * t)
    x += 0.05 * np.cos(2 * np.pi * 3000 * t)
    return np.trunc(32767 * x).astype(np.int16) / np.float32(32768)


@pytest.mark.parametrize("case", CASES)
def test_golden_examples(golden, case):
    seconds, hop = (float(part[3:]) for part in case.split("-"))
    level = {0.5: "UTTERANCE", 0.05: "FRAME"}[hop]
    expected = golden.json("vggish_frontend.json")["cases"][case]
    rows = examples(log_mel(repeat_short(golden_signal(seconds))), EXAMPLE_HOPS[level])
    assert list(rows.shape) == expected["shape"]
    assert np.abs(rows[[0, -1]] - golden.npz("vggish_frontend.npz")[case]).max() < 1e-5
    assert rows.mean(dtype=np.float64) == pytest.approx(expected["mean"], abs=1e-5)
    assert rows.std(dtype=np.float64) == pytest.approx(expected["std"], abs=1e-5)


@pytest.mark.parametrize(
    ("samples", "repeated"), [(1, 16000), (7999, 23997), (8000, 16000), (15999, 31998), (16000, 16000), (16001, 16001)]
)
def test_short_clips_are_repeated_whole_times(samples, repeated):
    wave = np.arange(samples, dtype=np.float32)
    longer = repeat_short(wave)
    assert len(longer) == repeated and np.array_equal(longer, np.arange(repeated) % samples)


def test_silence_is_the_logarithm_of_the_offset():
    assert np.allclose(log_mel(np.zeros(16000, np.float32)), math.log(0.01), atol=1e-6)


def test_a_tone_is_loudest_in_the_band_around_it():
    edges = np.linspace(1127 * math.log(1 + 125 / 700), 1127 * math.log(1 + 7500 / 700), 66)
    for hertz in (200.0, 1000.0, 5000.0):
        tone = 0.5 * np.sin(2 * np.pi * hertz * np.arange(16000) / 16000)
        loudest = log_mel(tone.astype(np.float32))[50].argmax()
        assert edges[loudest] < 1127 * math.log(1 + hertz / 700) < edges[loudest + 2]


def test_a_frame_beyond_a_block_is_computed_as_alone():
    wave = np.random.default_rng(0).standard_normal(160 * (BLOCK + 1) + 400).astype(np.float32)
    rows = log_mel(wave)
    assert rows.shape == (BLOCK + 2, 64)
    for frame in (0, BLOCK - 1, BLOCK, BLOCK + 1):
        piece = wave[160 * frame : 160 * frame + 400].astype(np.float64)
        n = np.arange(400)
        window = np.sin(np.pi * n / 400) ** 2
        spectrum = np.exp(-2j * np.pi * np.outer(np.arange(257), n) / 512) @ (piece * window)  # the sum, written out
        assert np.abs(rows[frame] - np.log(np.abs(spectrum) @ mel_weights() + 0.01)).max() < 1e-5
