"""Speech encoders: equal to the formula written out one clip at a time, for every architecture, batched or not."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from feature_extraction.audio.clipwise import make_clipwise
from feature_extraction.audio.extract_audio_huggingface import main
from feature_extraction.audio.speech_extractor import SpeechExtractor
from feature_extraction.contract import Sample
from toolkit.utils.errors import UserError

RATE = 16000
CPU = torch.device("cpu")
SECONDS = {"10.0": 10.0, "10.5": 10.5, "a 0.4": 0.4, "b 0.4": 0.4, "1.003": 1.003, "tiny": 0.01}
SECONDS |= {"2.5": 2.5, "2.1": 2.1, "1.6": 1.6, "2.4503": 2.4503}  # near enough to share a padded batch
FRAMES = {"10.0": 499, "10.5": 998, "a 0.4": 19, "b 0.4": 19, "1.003": 49, "tiny": 1}
FRAMES |= {"2.5": 124, "2.1": 104, "1.6": 79, "2.4503": 122}
MIXED = ("2.5", "2.1", "1.6", "2.4503")
NAMES = (
    "wav2vec2-base",
    "wav2vec2-large",
    "hubert-base",
    "hubert-large",
    "wavlm-base",
    "wavlm-large",
    "data2vec-audio",
    "unispeech",
    "unispeech-sat",
    "sew",
    "wav2vec2-conformer",
)


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> list[Sample]:
    """Gliding tones in noise, with an offset and a gain of their own."""
    root = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(1)
    samples = []
    for number, (name, seconds) in enumerate(SECONDS.items()):
        time = np.arange(int(RATE * seconds)) / RATE
        wave = 0.1 * (number + 1) * np.sin(2 * np.pi * (200 + 90 * time) * time) + 0.02 * rng.standard_normal(len(time))
        samples.append(Sample(name, root / f"{name}.wav"))
        soundfile.write(samples[-1].path, 0.05 + wave, RATE, subtype="PCM_16")
    return samples


def formula(folder: Path, wave: np.ndarray) -> np.ndarray:
    """The formula step by step with transformers' own classes, block by block."""
    from transformers import AutoModel, Wav2Vec2FeatureExtractor

    model = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    values = Wav2Vec2FeatureExtractor.from_pretrained(folder)(wave, sampling_rate=RATE).input_values[0]
    if len(values) > 10 * RATE:
        values = np.concatenate([values, np.zeros(-len(values) % (10 * RATE), np.float32)])
    shortest = 720 if model.config.model_type == "sew" else 400
    values = np.concatenate([values, np.zeros(max(0, shortest - len(values)), np.float32)])
    rows = []
    for start in range(0, len(values), 10 * RATE):
        with torch.no_grad():
            block = torch.from_numpy(values[None, start : start + 10 * RATE])
            states = model(block, output_hidden_states=True).hidden_states
        assert len(states) == 6
        rows.append((states[2] + states[3] + states[4] + states[5])[0].numpy())
    return np.concatenate(rows)


def built(folder: Path, level: str, batch_seconds: float | None) -> SpeechExtractor:
    extractor = SpeechExtractor(folder, folder.name, CPU, level, batch_seconds=batch_seconds)
    extractor.prepare()
    return extractor


@pytest.mark.parametrize("name", NAMES)
def test_batched_and_single_equal_the_formula(speech_model, clips, name):
    folder = speech_model(name)
    expected = [formula(folder, soundfile.read(clip.path, dtype="float32")[0]) for clip in clips]
    for batch_seconds in (None, 60.0):
        frame = built(folder, "FRAME", batch_seconds)
        loaded = [frame.load(clip) for clip in clips]
        results = [rows for (rows,) in frame.extract(loaded)]
        means = [rows for (rows,) in built(folder, "UTTERANCE", batch_seconds).extract(loaded)]
        for clip, rows, mean, right in zip(clips, results, means, expected, strict=True):
            largest = np.abs(right).max()
            assert rows.shape == right.shape and rows.dtype == np.float32
            assert np.abs(rows - right).max() < 1e-4 * largest, (clip.name, batch_seconds)
            assert mean.shape == (1, 32) and np.abs(mean[0] - right.mean(axis=0)).max() < 1e-5 * largest
    if name != "sew":  # its encoder has a length of its own
        assert {clip.name: len(rows) for clip, rows in zip(clips, results, strict=True)} == FRAMES
    assert np.abs(expected[2] - expected[3]).max() > 0.01  # the clip matters


def mixed_batch_error(folder: Path, clips: list[Sample]) -> float:
    """Largest difference of a padded batch of `MIXED` from the formula, relative to the largest value."""
    chosen = [clip for clip in clips if clip.name in MIXED]
    extractor = built(folder, "FRAME", 60.0)
    shapes = []
    forward = extractor.model.forward
    extractor.model.forward = lambda x, **options: shapes.append(tuple(x.shape)) or forward(x, **options)
    results = [rows for (rows,) in extractor.extract([extractor.load(clip) for clip in chosen])]
    assert shapes == [(4, 40000)]  # one batch, padded to 2.5 s
    errors = []
    for clip, rows in zip(chosen, results, strict=True):
        right = formula(folder, soundfile.read(clip.path, dtype="float32")[0])
        errors.append(np.abs(rows - right).max() / np.abs(right).max())
    return max(errors)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("sew", "wav2vec2-conformer")])
def test_clips_of_unlike_length_share_a_batch_unharmed(speech_model, clips, name):
    assert mixed_batch_error(speech_model(name), clips) < 1e-4


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("hubert-base", "feature_extractor"),  # group norm over time
        ("data2vec-audio", "encoder.pos_conv_embed"),  # several convolutions with norms between them
    ],
)
def test_a_part_that_is_not_clipwise_shows_in_that_batch(speech_model, clips, name, part, monkeypatch):
    """The test above can fail. (One positional convolution alone does no harm: padding is zero, as its edges are.)"""

    def forgetful(model):
        make_clipwise(model)
        parent, attribute = (model, part) if "." not in part else (model.encoder, part.split(".")[1])
        setattr(parent, attribute, getattr(parent, attribute).module)  # unwrapped again

    monkeypatch.setattr("feature_extraction.audio.clipwise.make_clipwise", forgetful)
    assert mixed_batch_error(speech_model(name), clips) > 1e-3


def test_the_test_would_notice_padding(speech_model, clips):
    """Without `clipwise`, a padded batch of a group-norm model is far off."""
    folder = speech_model("hubert-base")
    extractor = built(folder, "FRAME", 60.0)
    waves = [torch.from_numpy(extractor.load(clips[index])) for index in (2, 4)]
    padded = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
    with torch.no_grad():
        alone = extractor.model(waves[0][None]).last_hidden_state[0]
        leaky = extractor.model(padded).last_hidden_state[0, : len(alone)]
    assert (alone - leaky).abs().max() > 0.01 * alone.abs().max()


def test_groups_are_mixed_where_that_is_exact(speech_model, monkeypatch):
    waves = [np.ones(length, np.float32) for length in (400, 9000, 8000, 9000, 4000)]
    shapes = {"hubert-base": [(3, 9000), (1, 4000), (1, 400)], "sew": [(2, 9000), (1, 8000), (1, 4000), (1, 720)]}
    for name, expected in shapes.items():
        extractor = built(speech_model(name), "FRAME", 4 * 9000 / RATE)
        seen = []
        forward = extractor.model.forward
        monkeypatch.setattr(
            extractor.model, "forward", lambda x, f=forward, s=seen, **k: s.append(tuple(x.shape)) or f(x, **k)
        )
        waves[0] = np.ones(expected[-1][1], np.float32)
        extractor.extract(waves)
        assert seen == expected


def test_silence_gives_finite_rows(speech_model, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    extractor = built(speech_model("wav2vec2-base"), "FRAME", None)
    wave = extractor.load(Sample("silent", tmp_path / "silent.wav"))
    assert not wave.any()
    (rows,) = extractor.extract([wave])[0]
    assert rows.shape == (49, 32) and np.isfinite(rows).all()


def test_bfloat16_is_near_and_saved_as_float32(speech_model, clips):
    folder = speech_model("hubert-base")
    half = SpeechExtractor(folder, "x", CPU, "FRAME", "bfloat16")
    half.prepare()
    assert half.dtype == "bfloat16" and {p.dtype for p in half.model.parameters()} == {torch.bfloat16}
    wave = half.load(clips[4])
    (rows,), (exact,) = half.extract([wave])[0], built(folder, "FRAME", None).extract([wave])[0]
    error = np.abs(rows - exact).max() / np.abs(exact).max()
    assert rows.dtype == np.float32 and 1e-5 < error < 0.1


def test_load_is_picklable_and_small(speech_model, clips):
    extractor = SpeechExtractor(speech_model("hubert-base"), "x", CPU)
    data = pickle.dumps(extractor.load)
    assert len(data) < 1000 and np.array_equal(pickle.loads(data)(clips[0]), extractor.load(clips[0]))
    assert pickle.loads(pickle.dumps(extractor.replica))().outputs == extractor.outputs


def test_what_is_wrong_with_a_folder_is_named(speech_model, embedded_tools, tmp_path):
    whole = speech_model("hubert-base")
    folder = tmp_path / "chinese-hubert-base"
    folder.mkdir()
    shutil.copy(whole / "config.json", folder)
    with pytest.raises(UserError) as error:
        SpeechExtractor(folder, "x", CPU)
    assert str(error.value) == (
        f"{folder}: cannot be loaded: lacks preprocessor_config.json, model.safetensors or pytorch_model.bin; "
        "get it from TencentGameMate/chinese-hubert-base on the Hugging Face hub"
    )
    shutil.copy(whole / "model.safetensors", folder)
    (folder / "preprocessor_config.json").write_text('{"feature_extractor_type": "WhisperFeatureExtractor"}')
    with pytest.raises(UserError, match="its WhisperFeatureExtractor at 16000 Hz is not supported"):
        SpeechExtractor(folder, "x", CPU)
    shutil.copy(whole / "preprocessor_config.json", folder)
    config = json.loads((whole / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 6}))
    with pytest.raises(UserError, match=r"the weights lack .*layers\.5\."):
        SpeechExtractor(folder, "x", CPU).prepare()
    (folder / "model.safetensors").write_bytes(b"\0" * 50)
    with pytest.raises(UserError, match="cannot be loaded"):
        SpeechExtractor(folder, "x", CPU).prepare()
    with pytest.raises(UserError, match="model_type 'bert' is not a speech encoder .* extract_text_huggingface.py"):
        SpeechExtractor(embedded_tools / "transformers/all-MiniLM-L6-v2", "x", CPU)


@pytest.mark.parametrize("procs", [1, 2])
def test_script_with_noise_case_and_copies_of_the_model(speech_model, clips, tmp_path, capsys, procs):
    process = tmp_path / "mer2024-dataset-process"
    (process / "audio_snr5").mkdir(parents=True)
    for clip in clips:
        shutil.copy(clip.path, process / "audio_snr5")
    (process / "audio_snr5/bad.wav").write_bytes(b"text")
    folder = speech_model("hubert-base")
    arguments = ["--dataset", "MER2024", "--data_root", str(tmp_path), "--gpu", "-1", "--model_name", "hubert-base"]
    arguments += [
        "--model_dir",
        str(folder),
        "--noise_case",
        "snr5",
        "--num_procs",
        str(procs),
        "--feature_level",
        "FRAME",
    ]
    assert main(arguments) == 1
    printed = capsys.readouterr().out
    assert "10 done, 0 already there, 1 failed" in printed and "failed: bad: " in printed
    assert "note: 1 clip: shorter than the model's receptive field of 25 ms: zero-padded (such as tiny)" in printed
    extractor = built(folder, "FRAME", None)
    for clip in clips:
        saved = np.load(process / f"features/hubert-base-noisesnr5-FRA/{clip.name}.npy")
        (right,) = extractor.extract([extractor.load(clip)])[0]
        assert np.abs(saved - right).max() < 1e-5 * np.abs(right).max()
    assert main(arguments) == 1 and "0 done, 10 already there, 1 failed" in capsys.readouterr().out


def test_bad_sound_files_are_listed_and_the_rest_is_done(speech_model, tmp_path, capsys):
    audio = tmp_path / "mer2024-dataset-process/audio"
    audio.mkdir(parents=True)
    rng = np.random.default_rng(0)
    sound = 0.1 * rng.standard_normal(8000)
    soundfile.write(audio / "good one.wav", sound, RATE)
    soundfile.write(audio / "8 bit.wav", sound, RATE, subtype="PCM_U8")
    soundfile.write(audio / "cd $x.wav", 0.1 * rng.standard_normal((44100, 2)), 44100)
    soundfile.write(audio / "silent.wav", np.zeros(8000), RATE)
    soundfile.write(audio / "empty.wav", np.zeros(0), RATE)
    soundfile.write(audio / "nan.wav", np.array([0.1, np.nan] * 500), RATE, subtype="FLOAT")
    (audio / "text.wav").write_text("a transcript")
    (audio / "cut.wav").write_bytes((audio / "good one.wav").read_bytes()[:-5000])
    arguments = ["--dataset", "MER2024", "--data_root", str(tmp_path), "--gpu", "-1", "--model_name", "hubert-base"]
    assert main([*arguments, "--model_dir", str(speech_model("hubert-base"))]) == 1
    lines = capsys.readouterr().out.splitlines()
    folder = tmp_path / "mer2024-dataset-process/features/hubert-base-UTT"
    assert lines[0].startswith("4 done, 0 already there, 4 failed in ")
    assert lines[1:] == [
        "  note: 1 clip: 2 channels averaged to one (such as cd $x)",
        "  note: 1 clip: 44100 Hz resampled to 16000 Hz (such as cd $x)",
        "  note: 1 clip: 8-bit samples: quantisation noise is audible (such as 8 bit)",
        "  note: 1 clip: silent: every sample has the same value (such as silent)",
        f"  failed: cut: {audio}/cut.wav: cut short: its header announces 0.50 s, the file holds 0.34 s; "
        "make the wav again",
        f"  failed: empty: {audio}/empty.wav: holds no sound (0 samples); make the wav again or remove the clip",
        f"  failed: nan: {audio}/nan.wav: holds NaN or infinity; make the wav again",
        f"  failed: text: {audio}/text.wav: unreadable sound (Format not recognised.); make the wav again",
    ]
    assert sorted(path.stem for path in folder.glob("*.npy")) == ["8 bit", "cd $x", "good one", "silent"]
    assert all(np.isfinite(np.load(path)).all() and np.load(path).shape == (32,) for path in folder.glob("*.npy"))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["counts"] == {"files": 4, "failed": 4} and manifest["model"]["fingerprint"].startswith("sha256:")
