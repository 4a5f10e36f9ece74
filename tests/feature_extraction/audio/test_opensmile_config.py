"""The user's own openSMILE files: in the manner of the 2.3.0 distribution, and in the package's template."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import opensmile
import pytest
import soundfile

from feature_extraction.audio.handcrafted_feature_extractor import main
from feature_extraction.audio.opensmile_config import TOO_SHORT, ConfigLoad, choose_config, is_package_template
from feature_extraction.audio.opensmile_extractor import OpensmileExtractor
from feature_extraction.contract import Sample
from feature_extraction.notes import collected_notes
from toolkit.utils.errors import UserError

RATE = 16000
# Energy of 25 ms frames each 10 ms; functionals: maximum, range and mean. The options are those of the distribution.
ENERGY = r"""
[componentInstances:cComponentManager]
instance[dataMemory].type=cDataMemory
instance[waveIn].type=cWaveSource
instance[frame].type=cFramer
instance[energy].type=cEnergy
instance[functionals].type=cFunctionals
instance[lldSink].type=cCsvSink
instance[funcSink].type=cCsvSink
[waveIn:cWaveSource]
writer.dmLevel=wave
filename=\cm[inputfile(I){?}:wav to read]
monoMixdown=1
[frame:cFramer]
reader.dmLevel=wave
writer.dmLevel=frames
frameSize=0.025
frameStep=0.010
frameCenterSpecial=left
noPostEOIprocessing=1
[energy:cEnergy]
reader.dmLevel=frames
writer.dmLevel=lld
writer.levelconf.growDyn=1
writer.levelconf.isRb=0
rms=1
log=0
[functionals:cFunctionals]
reader.dmLevel=lld
writer.dmLevel=func
frameMode=full
frameSize=0
frameStep=0
functionalsEnabled=Extremes
Extremes.max=1
Extremes.min=0
Extremes.range=1
Extremes.maxpos=0
Extremes.minpos=0
Extremes.amean=1
Extremes.maxameandist=0
Extremes.minameandist=0
[lldSink:cCsvSink]
reader.dmLevel=lld
filename=\cm[lldcsvoutput(D){?}:csv of descriptors]
instanceName=\cm[instname(N){unknown}:name of the clip]
timestamp=1
number=0
[funcSink:cCsvSink]
reader.dmLevel=func
filename=\cm[csvoutput{?}:csv of functionals]
instanceName=\cm[instname]
timestamp=1
number=0
"""


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / "own folder" / "energy.conf"
    path.parent.mkdir()
    path.write_text(ENERGY, encoding="ascii")
    return path


@pytest.fixture
def clip(tmp_path) -> tuple[Sample, np.ndarray]:
    """Half a second of growing noise, and its frames' energies by hand."""
    wave = np.random.default_rng(0).normal(0, 0.1, 8000) * np.linspace(0.2, 1, 8000)
    values = np.int16(wave * 32767)
    path = tmp_path / "Ünïcode 'q' $x.wav"
    soundfile.write(path, values, RATE, subtype="PCM_16")
    frames = np.lib.stride_tricks.sliding_window_view(values / 32767.0, 400)[::160]  # openSMILE divides so
    return Sample("x", path), np.sqrt((frames**2).mean(axis=1))


def test_values_of_a_file_in_the_manner_of_the_distribution(config, clip):
    sample, energies = clip
    made = {level: OpensmileExtractor("energy", level, config) for level in ("FRAME", "UTTERANCE")}
    frames, functionals = (pickle.loads(pickle.dumps(made[level].load))(sample) for level in made)
    assert [extractor.outputs[0].width for extractor in made.values()] == [1, 3]
    assert frames.dtype == np.float32 and frames.shape == (len(energies), 1) == (48, 1)
    assert np.abs(frames[:, 0] - energies).max() < 1e-5 * energies.max()
    expected = [energies.max(), energies.max() - energies.min(), energies.mean()]
    assert functionals.shape == (1, 3) and np.allclose(functionals[0], expected, rtol=1e-4)


@pytest.mark.parametrize("level", ["UTTERANCE", "FRAME"])
def test_a_clip_without_a_frame_has_no_row(config, tmp_path, level):
    soundfile.write(tmp_path / "blip.wav", np.linspace(0, 0.1, 300), RATE)
    load = ConfigLoad(config, level)
    with collected_notes() as notes:
        rows = load(Sample("blip", tmp_path / "blip.wav"))
    assert rows.shape == (0, {"UTTERANCE": 3, "FRAME": 1}[level]) and notes == [TOO_SHORT]


@pytest.mark.parametrize("level", ["UTTERANCE", "FRAME"])
def test_a_file_in_the_packages_template_is_passed_to_it(tmp_path, clip, level):
    shutil.copytree(Path(opensmile.__file__).parent / "core/config", tmp_path / "copy")
    config = tmp_path / "copy/is09-13/IS09_emotion.conf"
    assert is_package_template(config)
    sample, _ = clip
    own = OpensmileExtractor("IS09", level, config)
    assert own.outputs[0].width == {"UTTERANCE": 384, "FRAME": 32}[level] and own.weights == config
    assert np.array_equal(own.load(sample), OpensmileExtractor("IS09", level).load(sample))


def test_the_distributions_files_are_found(tmp_path):
    assert choose_config("IS09", None, tmp_path) is None
    place = tmp_path / "opensmile-2.3.0/config/gemaps/eGeMAPSv01a.conf"
    place.parent.mkdir(parents=True)
    place.write_text("")
    assert choose_config("eGeMAPS", None, tmp_path) == place
    assert choose_config("eGeMAPS", "package", tmp_path) is None
    assert choose_config("other", None, tmp_path) is None
    assert choose_config("other", str(place), tmp_path) == place
    with pytest.raises(UserError, match="absent.conf: no such file"):
        choose_config("eGeMAPS", "absent.conf", tmp_path)


def test_files_that_do_not_fit_are_named(config, tmp_path):
    with pytest.raises(UserError, match=r"energy\.conf: gives 3 values at level UTTERANCE, but IS09 has 384; "):
        OpensmileExtractor("IS09", "UTTERANCE", config)
    config.write_text("[componentInstances:cComponentManager]\ninstance[x].type=cNoSuchComponent\n", encoding="ascii")
    with pytest.raises(UserError, match=r"energy\.conf: openSMILE cannot work with it .* --opensmile_config package"):
        OpensmileExtractor("energy", "UTTERANCE", config)
    with pytest.raises(UserError, match="plain ASCII paths"):
        ConfigLoad(tmp_path / "ü.conf", "FRAME")


def test_script_takes_a_file_and_any_name(config, clip, tmp_path, capfd):
    root = tmp_path / "mer2024-dataset-process"
    (root / "audio").mkdir(parents=True)
    clip[0].path.rename(root / "audio/a.wav")
    soundfile.write(root / "audio/b.wav", np.ones(300) * 0.1, RATE)
    arguments = ["--dataset", "MER2024", "--data_root", str(tmp_path), "--feature_set", "energy"]
    assert main([*arguments, "--feature_extractor", "opensmile", "--opensmile_config", str(config)]) == 0
    assert np.load(root / "features/energy-UTT/a.npy")[2] == pytest.approx(clip[1].mean(), rel=1e-4)
    assert np.load(root / "features/energy-UTT/b.npy").tolist() == [0, 0, 0]
    assert f"openSMILE configuration: {config}" in capfd.readouterr().err
    with pytest.raises(UserError, match="'energy' is unknown; known: eGeMAPS"):
        main(arguments)
