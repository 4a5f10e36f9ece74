"""Any wav becomes mono float32 at 16 kHz; bad ones are named."""

from __future__ import annotations

import pickle
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from feature_extraction.audio.wav_reader import WavReader, read_wav
from feature_extraction.contract import Sample, SampleError
from feature_extraction.notes import collected_notes


def sine(rate: int, seconds: float = 1.0, frequency: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)


def test_pcm16_at_16_khz_is_read_exactly(tmp_path):
    values = np.array([0, 1, -1, 12345, 32767, -32768], np.int16)
    soundfile.write(tmp_path / "a.wav", values, 16000, subtype="PCM_16")
    wave = read_wav(tmp_path / "a.wav")
    assert wave.dtype == np.float32 and np.array_equal(wave, values / np.float32(32768))


def test_channels_are_averaged(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.array([[0.5, -0.25], [0.25, 0.25]]), 16000, subtype="FLOAT")
    assert read_wav(tmp_path / "a.wav").tolist() == [0.125, 0.25]


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_other_rates_are_resampled(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", np.stack([sine(rate)] * 2, axis=1), rate, subtype="FLOAT")
    wave = read_wav(tmp_path / "a.wav")
    assert wave.dtype == np.float32 and abs(len(wave) - 16000) <= 1
    middle = slice(1000, 15000)  # the filter rings at both ends
    assert np.abs(wave[middle] - sine(16000)[middle]).max() < 1e-3


def test_bad_files_are_named(tmp_path):
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16000)
    soundfile.write(tmp_path / "empty8k.wav", np.zeros(0), 8000)
    soundfile.write(tmp_path / "nan.wav", np.array([0.1, np.nan]), 8000, subtype="FLOAT")
    soundfile.write(tmp_path / "inf.wav", np.array([0.1, np.inf]), 16000, subtype="FLOAT")
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "nothing.wav").write_bytes(b"")
    reasons = {
        "empty": "0 samples",
        "empty8k": "0 samples",
        "nan": "NaN or infinity",
        "inf": "NaN or infinity",
        "text": "unreadable",
        "nothing": "unreadable",
        "absent": "unreadable",
    }
    for name, reason in reasons.items():
        with pytest.raises(SampleError, match=f"{name}.wav: .*{reason}"):
            read_wav(tmp_path / f"{name}.wav")


def test_reader_is_picklable_and_takes_odd_names(tmp_path):
    path = tmp_path / "a b.$x \"q\" 'r'.wav"
    soundfile.write(path, sine(16000, 0.01), 16000, subtype="FLOAT")
    reader = pickle.loads(pickle.dumps(WavReader()))
    assert np.array_equal(reader(Sample("a", path)), sine(16000, 0.01).astype(np.float32))


def noted(path, **options) -> tuple[np.ndarray, list[str]]:
    with collected_notes() as notes:
        return read_wav(path, **options), notes


def test_conversions_are_remarked(tmp_path):
    soundfile.write(tmp_path / "cd.wav", np.stack([sine(44100)] * 2, axis=1), 44100, subtype="PCM_16")
    soundfile.write(tmp_path / "eight.wav", sine(16000), 16000, subtype="PCM_U8")
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    soundfile.write(tmp_path / "plain.wav", sine(16000), 16000)
    assert noted(tmp_path / "cd.wav")[1] == ["44100 Hz resampled to 16000 Hz", "2 channels averaged to one"]
    wave, notes = noted(tmp_path / "eight.wav")
    assert notes == ["8-bit samples: quantisation noise is audible"] and np.abs(wave - sine(16000)).max() < 1 / 127
    wave, notes = noted(tmp_path / "silent.wav")
    assert notes == ["silent: every sample has the same value"] and not wave.any() and len(wave) == 16000
    assert noted(tmp_path / "plain.wav")[1] == [] and noted(tmp_path / "plain.wav", rate=22050)[1] == []


@pytest.mark.parametrize("kept", [0.5, 0.999])
def test_a_wav_that_was_cut_short_is_a_failure(tmp_path, kept):
    soundfile.write(tmp_path / "whole.wav", sine(16000, 2.0), 16000, subtype="PCM_16")
    data = (tmp_path / "whole.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(SampleError, match=r"cut.wav: cut short: its header announces 2.00 s, the file holds"):
        read_wav(tmp_path / "cut.wav")


def test_a_wav_from_a_pipe_announces_nothing(tmp_path):
    soundfile.write(tmp_path / "a.wav", sine(16000), 16000, subtype="PCM_16")
    data = bytearray((tmp_path / "a.wav").read_bytes())
    at = data.index(b"data") + 4
    for place in (4, at):
        data[place : place + 4] = struct.pack("<I", 0xFFFFFFFF)
    (tmp_path / "piped.wav").write_bytes(data)
    assert np.array_equal(read_wav(tmp_path / "piped.wav"), read_wav(tmp_path / "a.wav"))


def test_chunks_before_and_after_the_sound_are_no_matter(tmp_path):
    soundfile.write(tmp_path / "a.wav", sine(16000), 16000, subtype="PCM_16")
    data = (tmp_path / "a.wav").read_bytes()
    extra = b"LIST" + struct.pack("<I", 3) + b"abc\0"  # odd size: a pad byte follows
    with_chunks = data[:12] + extra + data[12:] + extra
    (tmp_path / "b.wav").write_bytes(with_chunks[:4] + struct.pack("<I", len(with_chunks) - 8) + with_chunks[8:])
    assert np.array_equal(read_wav(tmp_path / "b.wav"), read_wav(tmp_path / "a.wav"))


def test_other_formats_named_wav_are_read(tmp_path):
    soundfile.write(tmp_path / "a.wav", sine(16000), 16000, format="FLAC", subtype="PCM_16")
    assert np.abs(read_wav(tmp_path / "a.wav") - sine(16000)).max() < 1e-4


@pytest.mark.parametrize("rate", [16000, 44100])
def test_blocks_change_nothing(tmp_path, rate, monkeypatch):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "a.wav", 0.1 * rng.standard_normal((rate, 2)), rate, subtype="PCM_16")
    whole = read_wav(tmp_path / "a.wav")
    monkeypatch.setattr("feature_extraction.audio.wav_reader.BLOCK", 1009)
    assert np.array_equal(read_wav(tmp_path / "a.wav"), whole)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_the_beginning_is_that_of_the_whole(tmp_path, rate):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "a.wav", 0.1 * rng.standard_normal(3 * rate), rate, subtype="PCM_16")
    assert np.array_equal(read_wav(tmp_path / "a.wav", max_seconds=1.0), read_wav(tmp_path / "a.wav")[:16000])
    assert len(read_wav(tmp_path / "a.wav", max_seconds=9.0)) == 48000


def test_two_hours_need_little_more_than_the_result(tmp_path):
    """Stereo: 0.92 GB as one float32 array, and the result is 0.46 GB (the file is sparse: all zeros)."""
    size = 4 * 16000 * 7200
    layout = struct.pack("<HHIIHH", 1, 2, 16000, 64000, 4, 16)
    head = struct.pack("<4sI8sI16s4sI", b"RIFF", 36 + size, b"WAVEfmt ", 16, layout, b"data", size)
    with (tmp_path / "long.wav").open("wb") as file:
        file.write(head)
        file.truncate(44 + size)
    code = (
        "import pathlib, sys\n"
        "from feature_extraction.audio.wav_reader import read_wav\n"
        "print(len(read_wav(pathlib.Path(sys.argv[1]))))\n"
        "status = pathlib.Path('/proc/self/status').read_text()\n"  # ru_maxrss would count this process, too
        "print(status.split('VmHWM:')[1].split()[0])\n"
    )
    command = [sys.executable, "-c", code, tmp_path / "long.wav"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    length, kilobytes = map(int, done.stdout.split())
    assert length == 16000 * 7200
    assert kilobytes < 0.7e6


@pytest.mark.parametrize(("value", "shown"), [(1.1e6, "1.1e+06"), (-3e30, "-3e+30")])
def test_absurd_samples_are_named(tmp_path, value, shown):
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.array([0.1, value, -0.1]), 16000, subtype="FLOAT")
    with pytest.raises(SampleError) as error:
        read_wav(path)
    assert str(error.value) == f"{path}: holds a sample of {shown}, where sound lies in -1..1; make the wav again"
    soundfile.write(path, np.array([0.1, 9e5, -9e5]), 16000, subtype="FLOAT")
    assert read_wav(path).max() == np.float32(9e5)
