"""Samples of a corpus: what is listed, in which order, and what is refused."""

from __future__ import annotations

import pytest

from feature_extraction.samples import audio_condition, audio_samples, face_samples, text_samples
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


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("n" * 247, "is too long for a file name .251 bytes with .npy, at most 250.; shorten it"),
        ("长" * 83, "is too long for a file name .253 bytes"),
        ("a\0b", "holds a NUL character"),
    ],
)
def test_names_that_no_file_can_have_give_the_line(tmp_path, name, words):
    path = tmp_path / "t.csv"
    path.write_text(f"name,chinese\nfine,x\n{name},x\n", encoding="utf-8")
    with pytest.raises(UserError, match=rf"t\.csv, line 3: name '.*' {words}"):
        text_samples(path, "chinese")
    path.write_text(f"name,chinese\n{'n' * 246},x\n", encoding="utf-8")
    assert len(text_samples(path, "chinese")) == 1


def test_two_files_of_one_name_are_refused(tmp_path):
    for name in ("a.wav", "a.WAV", "b.wav"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match=r"a\.WAV and a\.wav are both the clip 'a'"):
        audio_samples(tmp_path)


def test_conditions_name_folder_and_infix(tmp_path):
    audio = tmp_path / "subaudio"
    assert audio_condition(audio, None, None) == (audio, "")
    assert audio_condition(audio, "snrmix", None) == (tmp_path / "subaudio_snrmix", "noisesnrmix")
    assert audio_condition(audio, None, "chi") == (tmp_path / "audio-ttschi16k", "ttschi")
    with pytest.raises(UserError, match="--noise_case snr5 and --tts_lang eng name two different folders"):
        audio_condition(audio, "snr5", "eng")


def test_a_missing_audio_folder_names_those_that_exist(tmp_path):
    for name in ("audio", "audio_snr5"):
        (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=r"audio_snr7 does not exist; .*\(audio folders there: audio, audio_snr5\)"):
        audio_samples(tmp_path / "audio_snr7")


def test_faces_without_an_array_are_left_out(tmp_path):
    for name in ("b", "a", ".hidden", "empty"):
        (tmp_path / name).mkdir()
        if name != "empty":
            (tmp_path / name / f"{name}.npy").write_bytes(b"")
    assert [sample.name for sample in face_samples(tmp_path)] == ["a", "b"]
