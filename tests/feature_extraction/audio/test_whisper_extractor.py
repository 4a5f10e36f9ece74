"""Whisper features against a path written out here, one clip at a time, on the real tiny.en."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from feature_extraction.audio.extract_audio_huggingface import main
from feature_extraction.audio.whisper_extractor import WhisperExtractor
from feature_extraction.contract import Sample
from feature_extraction.huggingface_folder import find_model_folder
from feature_extraction.notes import collected_notes
from toolkit.utils.errors import UserError

RATE = 16000


@pytest.fixture(scope="module")
def folder(embedded_tools: Path) -> Path:
    return embedded_tools / "transformers/whisper-tiny.en"


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> list[Sample]:
    """0.05 s, 2 s and 31 s of a gliding tone in noise."""
    root = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(1)
    samples = []
    for seconds in (0.05, 2.0, 31.0):
        time = np.arange(int(RATE * seconds)) / RATE
        wave = 0.3 * np.sin(2 * np.pi * (200 + 30 * time) * time) + 0.02 * rng.standard_normal(len(time))
        samples.append(Sample(f"{seconds}", root / f"{seconds}.wav"))
        soundfile.write(samples[-1].path, wave, RATE, subtype="PCM_16")
    return samples


@pytest.fixture(scope="module")
def extractor(folder: Path) -> WhisperExtractor:
    extractor = WhisperExtractor(folder, "whisper-tiny.en", torch.device("cpu"))
    extractor.prepare()
    return extractor


@pytest.fixture(scope="module")
def batched(extractor, clips) -> list[np.ndarray]:
    return [rows for (rows,) in extractor.extract([extractor.load(clip) for clip in clips])]


def plain(folder: Path, wave: np.ndarray) -> np.ndarray:
    """The formula step by step: 30 s window, log-mel, encoder, decoder on two start tokens."""
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

    window = np.zeros(30 * RATE, np.float32)
    window[: min(len(wave), len(window))] = wave[: len(window)]
    front_end = WhisperFeatureExtractor.from_pretrained(folder, local_files_only=True)
    model = WhisperForConditionalGeneration.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    log_mel = front_end(window, sampling_rate=RATE, return_tensors="pt").input_features
    with torch.no_grad():
        states = model.model.encoder(log_mel).last_hidden_state
        ids = torch.tensor([[1, 1]]) * model.config.decoder_start_token_id
        return model.model.decoder(input_ids=ids, encoder_hidden_states=states).last_hidden_state[0].numpy()


def test_batch_equals_the_plain_path_one_at_a_time(folder, clips, batched):
    for clip, rows in zip(clips, batched, strict=True):
        wave, _ = soundfile.read(clip.path, dtype="float32")
        expected = plain(folder, wave)
        assert rows.shape == expected.shape == (2, 384) and rows.dtype == np.float32
        assert np.abs(rows - expected).max() < 1e-4 * np.abs(expected).max()
    assert np.abs(batched[0] - batched[1]).max() > 0.1  # the clip matters


def test_only_the_first_30_seconds_count(extractor, clips, tmp_path):
    wave, _ = soundfile.read(clips[2].path, dtype="int16")
    soundfile.write(tmp_path / "cut.wav", wave[: 30 * RATE], RATE, subtype="PCM_16")
    whole, cut = extractor.load(clips[2]), extractor.load(Sample("cut", tmp_path / "cut.wav"))
    assert whole.shape == (80, 3000) and np.array_equal(whole, cut)
    with collected_notes() as notes:
        extractor.load(clips[2])
        extractor.load(Sample("cut", tmp_path / "cut.wav"))
    assert notes == ["longer than 30 s: Whisper sees the first 30 s"]


def test_load_is_picklable_and_holds_no_weights(extractor, clips):
    data = pickle.dumps(extractor.load)
    assert len(data) < 500_000
    assert np.array_equal(pickle.loads(data)(clips[1]), extractor.load(clips[1]))


def test_another_model_type_is_named(embedded_tools):
    folder = embedded_tools / "transformers/all-MiniLM-L6-v2"
    with pytest.raises(UserError, match="model_type is 'bert'; supported so far: whisper"):
        WhisperExtractor(folder, "x", torch.device("cpu"))


def test_a_missing_folder_names_hub_id_and_present_models(embedded_tools):
    with pytest.raises(UserError) as error:
        find_model_folder("whisper-base", tools=embedded_tools)
    message = str(error.value)
    assert str(embedded_tools / "transformers/whisper-base") in message and "openai/whisper-base" in message
    assert message.endswith(": all-MiniLM-L6-v2, whisper-tiny.en")
    with pytest.raises(UserError, match="for example whisper-base"):
        find_model_folder("openai/whisper-base", tools=embedded_tools)


def test_damaged_folders_are_named(folder, tmp_path):
    config = json.loads((folder / "config.json").read_text())
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(UserError, match="cannot be loaded"):  # no weights
        WhisperExtractor(tmp_path, "x", torch.device("cpu")).prepare()
    (tmp_path / "model.safetensors").symlink_to(folder / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({**config, "encoder_layers": 5}))
    with pytest.raises(UserError, match=r"the weights lack .*layers\.4\."):
        WhisperExtractor(tmp_path, "x", torch.device("cpu")).prepare()
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match="not a readable JSON"):
        WhisperExtractor(tmp_path, "x", torch.device("cpu"))


def test_script_writes_the_mean_of_both_rows(folder, clips, batched, tmp_path, capsys):
    audio = tmp_path / "mer2024-dataset-process/audio"
    audio.mkdir(parents=True)
    (audio / "a b.wav").write_bytes(clips[1].path.read_bytes())
    (audio / "bad.wav").write_bytes(b"RIFF")
    arguments = ["--dataset", "MER2024", "--data_root", str(tmp_path), "--gpu", "-1", "--model_name", "whisper-tiny.en"]
    assert main([*arguments, "--model_dir", str(folder)]) == 1
    saved = np.load(tmp_path / "mer2024-dataset-process/features/whisper-tiny.en-UTT/a b.npy")
    assert np.abs(saved - batched[1].mean(axis=0)).max() < 1e-4 * np.abs(saved).max()
    printed = capsys.readouterr()
    assert "failed: bad: " in printed.out and "Loading weights" not in printed.err


def test_plan_counts_windows_whatever_the_length(extractor, clips):
    assert [len(batch) for batch in extractor.plan(clips * 3, 64)] == [4, 4, 1]  # on a CPU
    assert [len(batch) for batch in extractor.plan(clips * 3, 64, 150.0)] == [5, 4]
    assert [len(batch) for batch in extractor.plan(clips, 1)] == [1, 1, 1]
