"""Pooling and alignment against the reference's tables, and against a slow independent version."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from toolkit.data.alignment import align_sample, compress, map_sequence_length, pad_front

TABLES = json.loads((Path(__file__).resolve().parents[2] / "golden" / "functions.json").read_text())


@pytest.mark.parametrize("case", TABLES["map_sequence_length"], ids=lambda case: f"length {case['length']}")
def test_map_sequence_length_equals_the_reference(case):
    found = map_sequence_length(np.array(case["input"]), case["length"])
    np.testing.assert_allclose(found, case["output"], rtol=0, atol=1e-12)


def _slow(rows, length):
    """Element by element, in plain Python."""
    frames, width = rows.shape
    group = max(1, math.ceil(frames / length))
    padded = [[0.0] * width for _ in range(group * length - frames)] + rows.tolist()
    return [
        [sum(padded[step * group + k][column] for k in range(group)) / group for column in range(width)]
        for step in range(length)
    ]


@pytest.mark.parametrize("frames", [1, 2, 5, 6, 7, 13])
@pytest.mark.parametrize("length", [1, 2, 3, 6, 7, 20])
def test_map_sequence_length_equals_a_slow_version(frames, length):
    rows = np.random.default_rng(frames).normal(size=(frames, 3))
    np.testing.assert_allclose(map_sequence_length(rows, length), _slow(rows, length), atol=1e-12)


def test_impossible_lengths_are_refused():
    with pytest.raises(ValueError, match="length 0"):
        map_sequence_length(np.zeros((3, 2)), 0)


@pytest.mark.parametrize("feat_type", ["utt", "frm_align", "frm_unalign"])
def test_sequence_alignment_equals_the_reference(feat_type):
    table = TABLES["sequence_alignment"]
    scale = 1 if feat_type == "utt" else 2
    expected = table["utt" if feat_type == "utt" else f"{feat_type} scale 2"]
    samples = zip(*([np.array(rows) for rows in table[key]] for key in ("audios", "texts", "videos")), strict=True)
    aligned = [align_sample(sequences, feat_type, scale) for sequences in samples]
    for modality, wanted in enumerate(expected):
        sequences = [sample[modality] for sample in aligned]
        if feat_type == "utt":
            found = np.concatenate(sequences)
        else:
            found = pad_front(sequences, max(len(rows) for rows in sequences))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


def test_compress_rounds_up():
    assert compress(np.ones((13, 2)), 6).shape == (3, 2)
    assert compress(np.ones((1, 2)), 12).shape == (1, 2)


def test_pad_front_puts_zeros_first():
    batch = pad_front([np.array([[1.0], [2.0]]), np.array([[3.0]])], 3)
    assert batch[:, :, 0].tolist() == [[0, 1, 2], [0, 0, 3]]
