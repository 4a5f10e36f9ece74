"""Samples of a corpus: what is listed, in which order, and what is refused."""

from __future__ import annotations

import pytest

from feature_extraction.samples import audio_samples, text_samples
from toolkit.utils.errors import UserError


def test_audio_samples_are_the_wavs_in_name_order(tmp_path):
    for name in ("b.wav", "a b.x.WAV", ".hidden.wav", "c.mp3"):
        (tmp_path / name).write_bytes(b"")
    assert [(sample.name, sample.path.name) for sample in audio_samples(tmp_path)] == [
        ("a b.x", "a b.x.WAV"),
        ("b", "b.wav"),
    ]


def test_text_samples_take_the_column_and_keep_empty_texts(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('name,chinese,english\nz,好,"good, yes"\na,,\n', encoding="utf-8")
    assert [(sample.name, sample.text) for sample in text_samples(path, "english")] == [("a", ""), ("z", "good, yes")]
    with pytest.raises(UserError, match="column french is missing"):
        text_samples(path, "french")


@pytest.mark.parametrize("name", ["../up", "a/b", "/top", ".hidden", ".."])
def test_names_that_would_leave_the_folder_or_hide_are_refused(tmp_path, name):
    path = tmp_path / "t.csv"
    path.write_text(f"name,chinese\n{name},x\n", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be a file name"):
        text_samples(path, "chinese")
