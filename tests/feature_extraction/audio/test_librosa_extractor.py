"""librosa's mel_spec and mfcc against the formulas written out in NumPy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.fft
import soundfile

from feature_extraction.audio.handcrafted_feature_extractor import main
from feature_extraction.audio.librosa_extractor import LibrosaExtractor
from feature_extraction.contract import Sample
from toolkit.utils.errors import UserError

RATE = 22050


def glide(seconds: float = 0.4) -> np.ndarray:
    t = np.arange(int(RATE * seconds)) / RATE
    return 0.3 * np.sin(2 * np.pi * (300 + 900 * t) * t) + 0.01 * np.random.default_rng(0).standard_normal(len(t))


@pytest.fixture
def clip(tmp_path) -> Sample:
    soundfile.write(tmp_path / "a.wav", glide(), RATE, subtype="FLOAT")
    return Sample("a", tmp_path / "a.wav")


def mel_power(wave: np.ndarray) -> np.ndarray:
    """Slaney's 128 area-normalised triangles over powers of 2048-point transforms, centred frames; ``(T, 128)``."""
    padded = np.pad(wave, 1024)
    window = np.zeros(2048)
    window[748 : 748 + 551] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(551) / 551)
    frames = np.lib.stride_tricks.sliding_window_view(padded, 2048)[::220]
    power = np.abs(np.fft.rfft(frames * window)) ** 2

    def mel(hertz):  # linear below 1000 Hz, logarithmic above
        return np.where(hertz < 1000, 3 * hertz / 200, 15 + 27 * np.log(np.maximum(hertz, 1e-9) / 1000) / np.log(6.4))

    grid = np.linspace(0, 11025, 200001)
    edges = np.interp(np.linspace(0, mel(np.array(11025.0)), 130), mel(grid), grid)
    bins = np.linspace(0, 11025, 1025)[:, None]
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.maximum(0, np.minimum((bins - lower) / (centre - lower), (upper - bins) / (upper - centre)))
    return power @ (triangles * 2 / (upper - lower))


def slopes(rows: np.ndarray) -> np.ndarray:
    """Slope of the straight line through each 9 frames; at the ends that of the outermost 9."""
    starts = np.clip(np.arange(len(rows)) - 4, 0, len(rows) - 9)
    return np.stack([np.polyfit(np.arange(9), rows[start : start + 9], 1)[0] for start in starts])


def test_mel_spec_is_the_power_not_its_logarithm(clip):
    rows = LibrosaExtractor("mel_spec").load(clip)
    expected = mel_power(glide())
    assert rows.shape == (41, 128) == expected.shape and rows.dtype == np.float32
    assert np.abs(rows - expected).max() < 1e-4 * expected.max()


def test_mfcc_with_slopes_and_slopes_of_slopes(clip):
    rows = LibrosaExtractor("mfcc").load(clip)
    decibel = 10 * np.log10(np.maximum(mel_power(glide()), 1e-10))
    mfcc = scipy.fft.dct(np.maximum(decibel, decibel.max() - 80), norm="ortho", axis=1)[:, :40]
    expected = np.concatenate([mfcc, slopes(mfcc), slopes(slopes(mfcc))], axis=1)
    assert rows.shape == (41, 120) and rows.dtype == np.float32
    for part in (slice(0, 40), slice(40, 80), slice(80, 120)):
        assert np.abs(rows[:, part] - expected[:, part]).max() < 1e-3 * np.abs(expected[:, part]).max()


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (219, 1), (220, 2), (8 * 220 - 1, 8), (8 * 220, 9)])
def test_any_clip_has_a_frame(tmp_path, samples, frames, recwarn):
    soundfile.write(tmp_path / "s.wav", glide()[:samples], RATE, subtype="FLOAT")
    for name, width in (("mel_spec", 128), ("mfcc", 120)):
        rows = LibrosaExtractor(name).load(Sample("s", tmp_path / "s.wav"))
        assert rows.shape == (frames, width) and np.isfinite(rows).all()
    steepest = np.abs(rows[:, 40:]).max()
    assert steepest < 1e-4 if frames == 1 else steepest > 0.1  # a single frame, repeated, is flat
    assert not [warning for warning in recwarn if "n_fft" in str(warning.message)]


def test_silence_is_finite(tmp_path):
    soundfile.write(tmp_path / "s.wav", np.zeros(RATE, np.int16), RATE)
    assert np.abs(LibrosaExtractor("mel_spec").load(Sample("s", tmp_path / "s.wav"))).max() == 0
    mfcc = LibrosaExtractor("mfcc").load(Sample("s", tmp_path / "s.wav"))
    assert np.allclose(mfcc[:, 0], -100 * np.sqrt(128), rtol=1e-5) and np.abs(mfcc[:, 1:]).max() < 1e-3


def test_16_khz_is_resampled_as_librosa_does(tmp_path):
    import librosa

    wave = np.int16(20000 * glide())
    soundfile.write(tmp_path / "a.wav", wave, 16000)
    loaded, _ = librosa.load(tmp_path / "a.wav")
    ours = LibrosaExtractor("mel_spec").load.read(Sample("a", tmp_path / "a.wav"))
    assert abs(len(ours) - len(loaded)) <= 1
    shared = min(len(ours), len(loaded))
    assert np.abs(ours[:shared] - loaded[:shared]).max() < 1e-4


def test_load_is_picklable_and_unknown_sets_are_named(clip):
    load = LibrosaExtractor("mfcc").load
    assert np.array_equal(pickle.loads(pickle.dumps(load))(clip), load(clip))
    with pytest.raises(UserError, match="'IS09' is unknown; known: mel_spec, mfcc"):
        LibrosaExtractor("IS09")


def test_script_chooses_by_the_set(clip, tmp_path, capsys):
    root = tmp_path / "mer2024-dataset-process"
    (root / "audio").mkdir(parents=True)
    clip.path.rename(root / "audio/a b.wav")
    (root / "audio/bad.wav").write_bytes(b"RIFF")
    assert main(["--dataset", "MER2024", "--data_root", str(tmp_path), "--feature_set", "mel_spec"]) == 1
    saved = np.load(root / "features/mel_spec-UTT/a b.npy")
    expected = mel_power(glide()).mean(axis=0)
    assert saved.shape == (128,) and np.abs(saved - expected).max() < 1e-4 * expected.max()
    assert "failed: bad: " in capsys.readouterr().out
