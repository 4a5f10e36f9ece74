"""--check runs the real scripts; --download is tried on a hub that is made up here."""

from __future__ import annotations

import os
import sys
import types
from dataclasses import replace

import pytest

from feature_extraction import model_check
from feature_extraction.feature_table import FEATURES, FeatureRow
from feature_extraction.hub_download import download
from feature_extraction.model_check import Check, check_models, print_checks
from feature_extraction.registry import main
from toolkit.utils.errors import UserError


@pytest.fixture
def tools(tmp_path, embedded_tools, monkeypatch):
    """A tools/ folder for the scripts that the check starts."""
    shelf = tmp_path / "tools/transformers"
    shelf.mkdir(parents=True)
    for model in (embedded_tools / "transformers").iterdir():
        (shelf / model.name).symlink_to(model)
    monkeypatch.setenv("MER_TOOLS", str(tmp_path / "tools"))
    return tmp_path / "tools"


def test_widths_are_compared_with_the_registry(tools):
    assert check_models(["eGeMAPS", "all-MiniLM-L6-v2"], tools=tools) == [
        Check("eGeMAPS", True, "88 values"),
        Check("all-MiniLM-L6-v2", True, "384 values"),
    ]


def test_another_width_and_another_folder_are_failures(capsys):
    row = next(row for row in FEATURES if row.stem == "eGeMAPS")
    checks = [model_check.check_model(replace(row, width=87)), model_check.check_model(replace(row, stem="other"))]
    assert checks == [
        Check("eGeMAPS", False, "gives 88 values, the registry says 87: it is another model"),
        Check("other", False, "wrote eGeMAPS, but no folder of this name"),
    ]
    assert print_checks(checks) == 1
    assert capsys.readouterr().out.splitlines()[1] == "FAILED  other    wrote eGeMAPS, but no folder of this name"


def test_a_script_that_fails_tells_why(tools):
    row = next(row for row in FEATURES if row.stem == "vggish")
    check = model_check.check_model(row)
    assert not check.ok and check.message.startswith("error: ") and "VGGish checkpoint" in check.message


def test_names_that_are_nothing_are_refused(tools, monkeypatch):
    with pytest.raises(UserError, match="'no-such' is not in the registry, and .*no-such holds no config.json"):
        check_models(["no-such"], tools=tools)
    monkeypatch.setattr(model_check, "FEATURES", (replace(FEATURES[0], stem="unscripted", script=""),))
    with pytest.raises(UserError, match="unscripted: this toolkit has no extraction script"):
        check_models(["unscripted"], tools=tools)


def test_a_folder_that_is_not_in_the_registry_gets_a_script_by_its_config(tools):
    for name, key, script in (("a", '"conv_kernel"', "audio"), ("w", '"whisper"', "audio"), ("t", '"bert"', "text")):
        (tools / "transformers" / name).mkdir()
        (tools / "transformers" / name / "config.json").write_text("{" + key + ": 1}")
        row = model_check.registry_row(name, tools)
        assert row.command == [f"feature_extraction/{script}/extract_{script}_huggingface.py", "--model_name", name]


def fake_hub(monkeypatch, files, error=None):
    """A huggingface_hub that writes files; returns the calls."""
    calls = []

    def snapshot_download(source, local_dir, ignore_patterns):
        calls.append((source, local_dir.name, "*.bin" in ignore_patterns, os.environ["HF_HUB_OFFLINE"]))
        for file in files[: 1 if error else None]:
            (local_dir / file).write_text("{}")
        if error:
            raise error

    module = types.SimpleNamespace(list_repo_files=lambda source: list(files), snapshot_download=snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return calls


def test_download_puts_a_whole_folder_into_its_place(tmp_path, monkeypatch):
    calls = fake_hub(monkeypatch, ["config.json", "model.safetensors", "pytorch_model.bin", "vocab.txt"])
    folder = download("chinese-electra-180g-small", tmp_path)
    assert folder == tmp_path / "transformers/chinese-electra-180g-small" and (folder / "config.json").exists()
    source = "hfl/chinese-electra-180g-small-discriminator"
    assert calls == [(source, ".chinese-electra-180g-small.download", True, "0")]
    assert download("chinese-electra-180g-small", tmp_path) == folder and len(calls) == 1  # it is there


def test_pickled_weights_come_only_where_there_are_no_others(tmp_path, monkeypatch):
    calls = fake_hub(monkeypatch, ["config.json", "pytorch_model.bin", "preprocessor_config.json"])
    download("chinese-hubert-base", tmp_path)
    assert calls[0][2] is False


def test_an_interrupted_download_leaves_no_model(tmp_path, monkeypatch):
    fake_hub(monkeypatch, ["config.json", "model.safetensors"], OSError("no\nnetwork"))
    with pytest.raises(
        UserError, match=r"chinese-hubert-base could not be downloaded \(OSError: no network\); run the"
    ):
        download("chinese-hubert-base", tmp_path)
    assert not (tmp_path / "transformers/chinese-hubert-base").exists()
    fake_hub(monkeypatch, ["config.json", "model.safetensors", "preprocessor_config.json"])
    assert (download("chinese-hubert-base", tmp_path) / "model.safetensors").exists()


@pytest.mark.parametrize(
    "there",
    [
        {},
        {"config.json": "{}"},
        {"config.json": "{}", "pytorch_model.bin": "w"},
        {"config.json": "{}", "pytorch_model.bin": "version https://git-lfs.github.com/spec/v1", "vocab.txt": "a"},
        {"config.json": "{}", "model.safetensors.index.json": '{"weight_map": {"a": "one"}}', "vocab.txt": "a"},
        {"config.json": "half", "pytorch_model.bin": "w", "vocab.txt": "a"},
    ],
)
def test_a_folder_that_lacks_files_is_completed_in_its_place(tmp_path, monkeypatch, capsys, there):
    folder = tmp_path / "transformers/chinese-electra-180g-small"
    folder.mkdir(parents=True)
    for name, text in {"notes.txt": "mine", **there}.items():
        (folder / name).write_text(text)
    calls = fake_hub(monkeypatch, ["config.json", "model.safetensors", "pytorch_model.bin", "one", "vocab.txt"])
    assert download("chinese-electra-180g-small", tmp_path) == folder
    assert [call[1] for call in calls] == ["chinese-electra-180g-small"]
    assert (folder / "notes.txt").read_text() == "mine" and (folder / "model.safetensors").read_text() == "{}"
    assert f"completing an existing folder: {folder}" in capsys.readouterr().err
    download("chinese-electra-180g-small", tmp_path)
    assert len(calls) == 1


def test_a_download_that_brings_no_weights_is_told(tmp_path, monkeypatch):
    fake_hub(monkeypatch, ["config.json", "vocab.txt"])
    with pytest.raises(UserError, match="is not complete: .*holds neither model.safetensors nor pytorch_model.bin"):
        download("chinese-electra-180g-small", tmp_path)
    assert not (tmp_path / "transformers/chinese-electra-180g-small").exists()


def test_a_file_in_a_model_s_place_is_refused_before_anything_is_downloaded(tmp_path, monkeypatch):
    calls = fake_hub(monkeypatch, ["config.json"])
    (tmp_path / "transformers").mkdir()
    (tmp_path / "transformers/chinese-hubert-base").write_text("")
    with pytest.raises(UserError, match="chinese-hubert-base is not a folder; move it away"):
        download("chinese-hubert-base", tmp_path)
    assert calls == []


def test_present_means_config_and_weights(tmp_path):
    row = next(row for row in FEATURES if row.stem == "chinese-hubert-base")
    folder = tmp_path / row.weights
    folder.mkdir(parents=True)
    found = [row.present(tmp_path)]
    for name in ("config.json", "training_args.bin", "pytorch_model.bin"):
        (folder / name).write_text("{}")
        found.append(row.present(tmp_path))
    assert found == [False, False, False, True]


def test_names_without_a_hub_id_are_refused(tmp_path):
    with pytest.raises(UserError, match="'vggish' has no source on the Hugging Face hub"):
        download("vggish", tmp_path)


def test_commands_name_each_script_once(capsys):
    main(["--commands", "wav2vec-large-z", "wav2vec-large-c", "mfcc", "emotion2vec-finetune", "wavlm-base"])
    assert capsys.readouterr().out.splitlines() == [
        "feature_extraction/audio/extract_wav2vec_embedding.py",
        "feature_extraction/audio/handcrafted_feature_extractor.py --feature_extractor librosa --feature_set mfcc",
        "feature_extraction/audio/extract_emotion2vec.py --finetune",
        "feature_extraction/audio/extract_audio_huggingface.py --model_name wavlm-base",
    ]


def test_every_audio_and_text_row_has_a_script():
    lacking = [row.stem for row in FEATURES if row.modality != "visual" and not row.script]
    assert lacking == [] and isinstance(FEATURES[0], FeatureRow)
