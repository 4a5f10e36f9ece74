"""emotion2vec with a stand-in for funasr: what it is asked, what is saved, and what is said when it is missing."""

from __future__ import annotations

import pickle
import sys
import types

import numpy as np
import pytest
import soundfile
import torch

from feature_extraction.audio.emotion2vec_extractor import Emotion2vecExtractor, WaveLoad, find_model
from feature_extraction.audio.extract_emotion2vec import main
from feature_extraction.contract import Sample
from toolkit.utils.errors import UserError

RATE = 16000


class FakeAutoModel:
    """funasr.AutoModel's shape: row t of "frame" is the wave's mean plus t; 50 rows a second."""

    made: list[dict] = []

    def __init__(self, **settings) -> None:
        if "broken" in settings["model"]:
            raise AssertionError("Emotion2vec is not registered")
        FakeAutoModel.made.append(settings)

    def generate(self, input, **settings):
        assert len(input) == 1 and input[0].dtype == np.float32 and settings["extract_embedding"] is True
        frames = 1 + (len(input[0]) - 400) // 320
        rows = np.repeat(input[0].mean() + np.arange(frames, dtype=np.float32)[:, None], 768, axis=1)
        return [{"key": "k", "feats": rows if settings["granularity"] == "frame" else rows.mean(axis=0)}]


@pytest.fixture
def funasr(monkeypatch):
    module = types.ModuleType("funasr")
    module.AutoModel = FakeAutoModel
    monkeypatch.setitem(sys.modules, "funasr", module)
    FakeAutoModel.made.clear()


@pytest.fixture
def tools(tmp_path):
    for name in ("emotion2vec", "emotion2vec_base_finetuned"):
        (tmp_path / "tools" / name).mkdir(parents=True)
        (tmp_path / "tools" / name / "config.yaml").write_text("model: Emotion2vec\n")
        (tmp_path / "tools" / name / "model.pt").write_bytes(b"weights")
    return tmp_path / "tools"


def test_folders_of_both_names_are_found(tools):
    assert find_model(False, tools=tools) == tools / "emotion2vec"
    assert find_model(True, tools=tools) == tools / "emotion2vec_base_finetuned"
    assert find_model(True, tools / "emotion2vec") == tools / "emotion2vec"
    (tools / "emotion2vec/model.pt").unlink()  # funasr would go on with random weights
    with pytest.raises(UserError, match=r"emotion2vec_base: no folder with config\.yaml and a \.pt file; .*iic/emotio"):
        find_model(False, tools=tools)


def test_both_levels(funasr, tools):
    waves = [np.full(400, 0.25, np.float32), np.full(16000, 0.5, np.float32)]
    for level, lengths in (("FRAME", [1, 49]), ("UTTERANCE", [1, 1])):
        extractor = Emotion2vecExtractor(tools / "emotion2vec", level, torch.device("cpu"))
        extractor.prepare()
        rows = [clip for (clip,) in extractor.extract(waves)]
        assert [clip.shape for clip in rows] == [(length, 768) for length in lengths]
        assert [clip.mean() for clip in rows] == pytest.approx([0.25, 0.5 + 24])
    assert FakeAutoModel.made[0]["model"] == str(tools / "emotion2vec") and FakeAutoModel.made[0]["device"] == "cpu"
    assert FakeAutoModel.made[0]["ncpu"] == torch.get_num_threads() and FakeAutoModel.made[0]["disable_update"] is True


def test_short_clips_get_zeros(tmp_path):
    soundfile.write(tmp_path / "s.wav", np.full(100, 0.5), RATE, subtype="FLOAT")
    wave = pickle.loads(pickle.dumps(WaveLoad()))(Sample("s", tmp_path / "s.wav"))
    assert np.array_equal(wave, np.r_[np.full(100, 0.5), np.zeros(300)].astype(np.float32))


def test_missing_and_failing_funasr_are_named(tools, monkeypatch, funasr):
    (tools / "broken").mkdir()
    with pytest.raises(UserError, match=r"broken: funasr cannot load it \(Emotion2vec is not registered\)"):
        Emotion2vecExtractor(tools / "broken", "FRAME", torch.device("cpu")).prepare()
    monkeypatch.setitem(sys.modules, "funasr", None)
    with pytest.raises(UserError, match=r"needs the package funasr.*pip install '\.\[emotion2vec\]'"):
        Emotion2vecExtractor(tools / "emotion2vec", "FRAME", torch.device("cpu")).prepare()


def test_script_writes_the_fine_tuned_folder(funasr, tools, tmp_path, capsys):
    root = tmp_path / "mer2024-dataset-process"
    (root / "audio").mkdir(parents=True)
    soundfile.write(root / "audio/a b.wav", np.full(16000, 0.5), RATE, subtype="FLOAT")
    soundfile.write(root / "audio/empty.wav", np.zeros(0), RATE)
    arguments = ["--dataset", "MER2024", "--data_root", str(tmp_path), "--gpu", "-1", "--finetune"]
    assert main([*arguments, "--model_dir", str(tools / "emotion2vec_base_finetuned")]) == 1
    saved = np.load(root / "features/emotion2vec-finetune-UTT/a b.npy")
    assert saved.shape == (768,) and saved == pytest.approx(np.full(768, 24.5))
    assert "failed: empty: " in capsys.readouterr().out
