"""openSMILE features: widths, known physics of a tone, agreement with the package called directly, short clips."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import opensmile
import pytest
import soundfile

from feature_extraction.audio.handcrafted_feature_extractor import main
from feature_extraction.audio.opensmile_config import TOO_SHORT
from feature_extraction.audio.opensmile_extractor import FEATURE_SETS, OpensmileExtractor
from feature_extraction.contract import Sample
from feature_extraction.notes import collected_notes
from toolkit.utils.errors import UserError

RATE = 16000
PITCH = 220.0  # Hz: 3 octaves = 36 semitones above 27.5 Hz


def voiced(seconds: float = 1.0, amplitude: float = 0.3) -> np.ndarray:
    """A harmonic tone with falling partials, as PCM16 values."""
    time = np.arange(int(RATE * seconds)) / RATE
    wave = sum(np.sin(2 * np.pi * PITCH * k * time) / k for k in range(1, 12))
    return np.int16(32767 * amplitude * wave / np.abs(wave).max())


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, voiced(), RATE, subtype="PCM_16")
    return Sample("tone", path)


def features(name: str, level: str, sample: Sample) -> np.ndarray:
    extractor = OpensmileExtractor(name, level)
    ((rows,),) = extractor.extract([extractor.load(sample)])
    assert rows.shape[1] == extractor.outputs[0].width and rows.dtype == np.float32
    return rows


def directly(name: str, level: str, sample: Sample) -> np.ndarray:
    """The package's own file interface, one level at a time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        smile = opensmile.Smile(opensmile.FeatureSet[FEATURE_SETS[name].package_name], level)
        return smile.process_file(str(sample.path)).to_numpy()


@pytest.mark.parametrize(
    ("name", "functionals", "descriptors"),
    [("eGeMAPS", 88, 23), ("IS09", 384, 32), ("IS10", 1582, 76), ("IS13", 6373, 130)],
)
def test_both_levels_equal_the_package_called_directly(clip, name, functionals, descriptors):
    rows = features(name, "UTTERANCE", clip)
    assert rows.shape == (1, functionals) and np.isfinite(rows).all()
    assert np.array_equal(rows, directly(name, "func", clip))
    frames = features(name, "FRAME", clip)
    assert frames.shape[1] == descriptors and 93 <= len(frames) <= 99 and np.isfinite(frames).all()
    plain = directly(name, "lld", clip)
    assert np.array_equal(frames[:, : plain.shape[1]], plain)
    if name != "eGeMAPS":
        deltas = directly(name, "lld_de", clip)  # its window lets it run a little longer
        assert np.array_equal(frames[:, plain.shape[1] :], deltas[: len(frames)])


def test_pitch_and_energy_of_a_known_tone(clip):
    assert features("eGeMAPS", "UTTERANCE", clip)[0, 0] == pytest.approx(36.0, abs=0.1)  # semitones, mean F0
    frames = features("IS13", "FRAME", clip)
    assert np.median(frames[:, 0]) == pytest.approx(PITCH, abs=1.0)  # F0final in Hz
    rms = np.sqrt(np.mean((voiced() / 32768.0) ** 2))
    assert np.median(frames[:, 8]) == pytest.approx(rms, rel=0.02)  # pcm_RMSenergy


def test_silence_is_finite(tmp_path):
    soundfile.write(tmp_path / "s.wav", np.zeros(RATE, np.int16), RATE)
    for name in FEATURE_SETS:
        assert np.isfinite(features(name, "UTTERANCE", Sample("s", tmp_path / "s.wav"))).all()


def test_full_scale_does_not_wrap_around(tmp_path):
    """A float file may reach +1.0, which int16 cannot hold: without a limit the peaks become the lowest value."""
    square = np.where(np.arange(RATE) // 40 % 2, 1.0, -1.0)
    soundfile.write(tmp_path / "loud.wav", square, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "pcm.wav", np.int16(np.clip(square * 32768, -32768, 32767)), RATE, subtype="PCM_16")
    loud, pcm = (features("IS13", "FRAME", Sample(name, tmp_path / f"{name}.wav")) for name in ("loud", "pcm"))
    assert np.array_equal(loud, pcm)
    assert np.median(loud[:, 8]) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("name", "shortest"), [("eGeMAPS", 60), ("IS09", 25), ("IS10", 70), ("IS13", 60)])
@pytest.mark.parametrize("level", ["UTTERANCE", "FRAME"])
def test_a_clip_without_a_frame_has_no_row_and_is_remarked(tmp_path, name, shortest, level):
    path = tmp_path / "blip.wav"
    extractor = OpensmileExtractor(name, level)
    for milliseconds, rows in ((shortest, 1), (shortest - 5 if shortest < 70 else 65, 0), (1, 0)):
        soundfile.write(path, voiced()[: 16 * milliseconds], RATE)
        with collected_notes() as notes:
            found = extractor.load(Sample("blip", path))
        assert found.shape[1] == extractor.outputs[0].width and found.dtype == np.float32
        assert min(len(found), 1) == rows and notes == [] if rows else notes == [TOO_SHORT]


def test_load_stays_picklable_after_use(clip):
    load = OpensmileExtractor("IS09", "UTTERANCE").load
    first = load(clip)
    assert np.array_equal(pickle.loads(pickle.dumps(load))(clip), first)


def test_unknown_set_lists_the_known_ones():
    with pytest.raises(UserError, match="'IS11' is unknown; known: eGeMAPS, IS09, IS10, IS13"):
        OpensmileExtractor("IS11", "UTTERANCE")


def test_script_writes_the_folder_and_reports_the_bad_clip(clip, tmp_path, capsys):
    root = tmp_path / "mer2024-dataset-process"
    (root / "audio").mkdir(parents=True)
    clip.path.rename(root / "audio/a b.$x.wav")
    soundfile.write(root / "audio/blip.wav", voiced(0.01), RATE)
    (root / "audio/text.wav").write_text("no sound")
    arguments = ["--dataset", "MER2024", "--data_root", str(tmp_path), "--gpu", "-1", "--feature_set", "eGeMAPS"]
    assert main([*arguments, "--feature_extractor", "opensmile"]) == 1
    assert np.load(root / "features/eGeMAPS_UTT/a b.$x.npy").shape == (88,)
    assert np.array_equal(np.load(root / "features/eGeMAPS_UTT/blip.npy"), np.zeros(88, np.float32))
    printed = capsys.readouterr().out
    assert "failed: text: " in printed and f"1 clip: {TOO_SHORT} (such as blip)" in printed
