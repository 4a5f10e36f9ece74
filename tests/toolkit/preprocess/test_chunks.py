"""Where long sound is cut, by hand and against a slow search."""

from __future__ import annotations

import numpy as np
import pytest

from toolkit.preprocess.chunks import HOP, PAUSE, SEARCH, SHORTEST, WINDOW, cut_places, speech_chunks

RATE = 16000


def sound(seconds, level=0.1, seed=0):
    return np.random.default_rng(seed).uniform(-level, level, int(seconds * RATE)).astype(np.float32)


@pytest.mark.parametrize("samples", [0, 1, WINDOW - 1, WINDOW])
def test_up_to_30_s_nothing_is_cut(samples):
    wave = sound(samples / RATE)
    assert cut_places(wave) == []
    assert [len(piece) for piece in speech_chunks(wave)] == ([samples] if samples >= SHORTEST else [])


def test_a_pause_is_cut_in_its_middle():
    wave = sound(70)
    wave[int(23.0 * RATE) : int(23.4 * RATE)] = 0  # in the last 10 s of the first piece
    wave[int(12.0 * RATE) : int(15.0 * RATE)] = 0  # before them: not looked at
    wave[801760:806560] = 0  # 0.3 s, 343 hops after the first cut + 20 s
    places = cut_places(wave)
    # the middle of the last stretch of 0.3 s that is all zero: 23.1 to 23.4 s, then the only one
    assert places == [int(23.25 * RATE), 804160]
    pieces = speech_chunks(wave)
    assert [len(piece) for piece in pieces] == [places[0], places[1] - places[0], len(wave) - places[1]]
    assert np.array_equal(np.concatenate(pieces), wave)


def test_against_a_slow_search():
    wave = sound(61, seed=3) * np.repeat(np.random.default_rng(4).uniform(0.2, 1, 610), RATE // 10).astype(np.float32)
    expected, start = [], 0
    while len(wave) - start > WINDOW:
        first = start + WINDOW - SEARCH
        starts = range(first, start + WINDOW - PAUSE * HOP + 1, HOP)
        loudness = [float(np.square(wave[at : at + PAUSE * HOP].astype(np.float64)).sum()) for at in starts]
        start = starts[int(np.argmin(loudness))] + PAUSE * HOP // 2
        expected.append(start)
    assert len(expected) == 2 and cut_places(wave) == expected
    assert all(SEARCH <= len(piece) <= WINDOW for piece in speech_chunks(wave)[:-1])


def test_silence_is_left_out_at_the_exact_level():
    wave = np.zeros(2 * WINDOW, np.float32)
    assert speech_chunks(wave) == []
    wave[5] = 0.00099
    assert speech_chunks(wave) == []
    wave[5] = 0.00101
    (piece,) = speech_chunks(wave)
    assert piece[5] == np.float32(0.00101) and 20 * RATE <= len(piece) <= WINDOW
    assert speech_chunks(sound(0.099)) == [] and len(speech_chunks(sound(0.1))) == 1


def test_a_whole_hour_of_silence_and_a_word():
    wave = np.zeros(3600 * RATE, np.float32)
    wave[1800 * RATE : 1801 * RATE] = sound(1)
    pieces = speech_chunks(wave)
    assert sum(np.count_nonzero(piece) for piece in pieces) == np.count_nonzero(wave)
    assert len(pieces) == 1
