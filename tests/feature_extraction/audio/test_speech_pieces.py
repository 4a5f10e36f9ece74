"""Normalisation, blocks and groups of pieces."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from feature_extraction.audio.speech_pieces import SpeechLoad, blocks, grouped, receptive_field
from feature_extraction.contract import Sample
from feature_extraction.notes import collected_notes


def test_receptive_field_by_hand():
    assert receptive_field((3,), (2,)) == 3
    assert receptive_field((3, 2), (2, 2)) == 5  # 2 frames below, 2 apart: 3 + 2
    assert receptive_field((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)) == 400
    assert receptive_field((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2), frames=2) == 720  # 400 + one stride of 320


def test_blocks_at_the_edge():
    wave = np.arange(160000, dtype=np.float32)
    assert [len(block) for block in blocks(wave)] == [160000]
    first, second = blocks(np.arange(160001, dtype=np.float32))
    assert first[-1] == 159999 and second[0] == 160000 and len(second) == 160000 and not second[1:].any()
    assert [len(block) for block in blocks(np.ones(320000, np.float32))] == [160000, 160000]


def test_a_long_clip_is_cut_into_views():
    wave = np.ones(1_000_000, np.float32)
    assert all(np.shares_memory(block, wave) for block in blocks(wave)[:-1])


@pytest.mark.parametrize("normalise", [True, False])
def test_normalisation_is_that_of_the_feature_extractor(tmp_path, normalise):
    from transformers import Wav2Vec2FeatureExtractor

    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "a.wav", 0.1 + 0.2 * rng.standard_normal(330_001), 16000, subtype="FLOAT")
    wave = SpeechLoad(normalise, 400)(Sample("a", tmp_path / "a.wav"))
    raw, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    expected = Wav2Vec2FeatureExtractor(do_normalize=normalise)(raw, sampling_rate=16000).input_values[0]
    assert wave.dtype == np.float32 and np.abs(wave - expected).max() < 2e-6 * np.abs(expected).max()


def test_short_clips_are_padded_after_normalisation(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.array([0.5, 0.25] * 50), 16000, subtype="FLOAT")
    with collected_notes() as notes:
        wave = SpeechLoad(True, 400)(Sample("a", tmp_path / "a.wav"))
    assert np.abs(wave[:100]).round(3).tolist() == [1.0] * 100 and wave[100:].tolist() == [0.0] * 300
    assert notes == ["shorter than the model's receptive field of 25 ms: zero-padded"]


def test_groups_by_hand():
    lengths = [5, 10, 10, 4, 10, 9]
    assert grouped(lengths, 0, True) == [[1], [2], [4], [5], [0], [3]]  # no budget: each piece alone
    assert grouped(lengths, 20, False) == [[1, 2], [4], [5], [0], [3]]
    assert grouped(lengths, 20, True) == [[1, 2], [4, 5], [0, 3]]
    assert grouped(lengths, 1000, True) == [[1, 2, 4, 5, 0], [3]]  # 4 is less than half of 10
