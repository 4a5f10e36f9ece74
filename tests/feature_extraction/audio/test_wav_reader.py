"""Any wav becomes mono float32 at 16 kHz; bad ones are named."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import soundfile

from feature_extraction.audio.wav_reader import WavReader, read_wav
from feature_extraction.contract import Sample, SampleError


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
