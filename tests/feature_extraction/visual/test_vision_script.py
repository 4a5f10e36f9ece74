"""extract_vision_huggingface.py end to end, and what it says about models and clips that cannot be used."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from feature_extraction.visual import vision_extractor
from feature_extraction.visual.extract_vision_huggingface import main
from toolkit.utils.errors import UserError

NAMES = {"a b.c": 5, "d $e 'f' \"g\"": 70, "none": 0}


def tiny_models():
    """vision_models.py, beside this file."""
    spec = importlib.util.spec_from_file_location("vision_models", Path(__file__).parent / "vision_models.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Name -> folder of a tiny model, written when it is first asked for."""
    root = tmp_path_factory.mktemp("models")

    def folder(name: str) -> Path:
        place = root / name
        return place if place.exists() else tiny_models().save_model(name, place)

    return folder


@pytest.fixture
def corpus(tmp_path, write_faces, random_faces):
    for number, (name, count) in enumerate(NAMES.items()):
        write_faces(tmp_path / "mer2024-dataset-process" / "openface_face", name, random_faces(count, number, 40, 40))
    return tmp_path / "mer2024-dataset-process"


def run(corpus: Path, folder: Path, *more: str, level: str = "UTTERANCE", name: str = "tiny.v1") -> int:
    arguments = ["--dataset", "MER2024", "--data_root", str(corpus.parent), "--gpu", "-1", "--num_procs", "1"]
    return main([*arguments, "--model_name", name, "--model_dir", str(folder), "--feature_level", level, *more])


@pytest.mark.parametrize(
    ("name", "more", "stem", "rows", "formula"),
    [
        ("clip", [], "tiny.v1", (5, 70), "projected image embedding of every frame"),
        ("data2vec", [], "tiny.v1", (5, 70), "sum over tokens of the last hidden state, every frame"),
        (
            "dinov2",
            ["--batch_size", "9"],
            "tiny.v1",
            (64, 64),
            "sum over tokens of the last hidden state, 64 uniformly sampled frames",
        ),
        (
            "videomae",
            [],
            "tiny.v1",
            (8, 8),
            "mean over the patches of each tubelet step, 16 uniformly sampled frames",
        ),
        (
            "videomae",
            ["--videomae_type", "sunlicai"],
            "sunlicai-tiny.v1",
            (16, 16),
            "mean over the patches of each tubelet step, two 16-frame clips at stride 4",
        ),
    ],
)
def test_from_faces_to_features(name, more, stem, rows, formula, models, corpus, capsys):
    folder, width = models(name), tiny_models().WIDTHS[name]
    for level in ("FRAME", "UTTERANCE"):
        assert run(corpus, folder, *more, level=level) == 0
    assert "3 done, 0 already there, 0 failed" in capsys.readouterr().out
    frames, utterances = corpus / "features" / f"{stem}-FRA", corpus / "features" / f"{stem}-UTT"
    for clip, expected in zip(NAMES, (*rows, 1), strict=True):
        array = np.load(frames / f"{clip}.npy")
        assert array.shape == (expected, width) and array.dtype == np.float32
        mean = np.load(utterances / f"{clip}.npy")
        np.testing.assert_allclose(mean, array.mean(axis=0), atol=1e-5 * max(1.0, np.abs(array).max()))
    np.testing.assert_array_equal(np.load(frames / "none.npy"), np.zeros((1, width)))
    manifest = json.loads((utterances / "manifest.json").read_text())
    assert manifest["formula"] == formula and manifest["width"] == width and manifest["model"]["fingerprint"]


def test_finished_clips_need_no_model_and_another_type_is_refused(models, corpus, monkeypatch, capsys):
    folder = models("videomae")
    assert run(corpus, folder, "--shard", "1/2") == 0
    assert run(corpus, folder) == 0
    monkeypatch.setattr(vision_extractor.VisionExtractor, "prepare", lambda self: pytest.fail("the model was loaded"))
    assert run(corpus, folder) == 0
    assert "0 done, 3 already there" in capsys.readouterr().out
    with pytest.raises(UserError, match="dtype float32 .now bfloat16."):
        run(corpus, folder, "--dtype", "bfloat16")


def test_values_do_not_depend_on_batch_size(models, corpus):
    folder = models("clip")
    found = []
    for size in ("1", "7", "500"):
        assert run(corpus, folder, "--batch_size", size, "--overwrite", level="FRAME") == 0
        found.append(np.load(corpus / "features" / "tiny.v1-FRA" / "a b.c.npy"))
    for rows in found[1:]:
        np.testing.assert_allclose(rows, found[0], atol=1e-4 * np.abs(found[0]).max())


def test_bad_clips_are_listed_and_the_others_done(models, corpus, write_faces, capsys):
    place = corpus / "openface_face"
    write_faces(place, "grey", np.zeros((3, 40, 40), np.uint8))
    write_faces(place, "floats", np.zeros((3, 40, 40, 3)))
    write_faces(place, "strip", np.zeros((2, 2, 200, 3), np.uint8))
    write_faces(place, "pixel", np.full((2, 1, 1, 3), 90, np.uint8))
    write_faces(place, "large", np.full((1, 2160, 3840, 3), 90, np.uint8))
    whole = write_faces(place, "cut", np.zeros((9, 40, 40, 3), np.uint8)).path
    whole.write_bytes(whole.read_bytes()[:-100])
    assert run(corpus, models("data2vec")) == 1
    out = capsys.readouterr().out
    assert "5 done, 0 already there, 4 failed" in out
    lines = {line.split(": ")[1]: line for line in out.splitlines() if line.startswith("  failed: ")}
    assert "found uint8 (3, 40, 40)" in lines["grey"] and "float64" in lines["floats"]
    assert (
        "strip.npy: a picture of 2 x 200 pixels is no face" in lines["strip"] and "not a readable .npy" in lines["cut"]
    )
    folder = corpus / "features" / "tiny.v1-UTT"
    np.testing.assert_allclose(np.load(folder / "pixel.npy"), np.load(folder / "large.npy"), atol=1e-4)
    assert {line.split(",")[0] for line in (folder / "failures.csv").read_text().splitlines()[1:]} == set(lines)


def test_models_that_are_not_for_pictures(models, corpus, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    for config, words in (
        ({"model_type": "bert"}, "'bert' is no vision model; text models go to extract_text_huggingface.py"),
        ({"model_type": "wav2vec2"}, "'wav2vec2' is no vision model"),
        ({"model_type": "timesformer"}, "'timesformer' takes videos"),
        ({"model_type": "nonsense"}, "'nonsense' is unknown to transformers"),
        ({"hidden_size": 3}, "names no model_type"),
        ({"model_type": "vit", "hidden_size": "wide"}, "config.json"),
    ):
        (folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(UserError, match=words) as caught:
            run(corpus, folder)
        assert str(folder) in str(caught.value)
    with pytest.raises(UserError, match="sunlicai is for VideoMAE, but the model_type of .* is 'clip'"):
        run(corpus, models("clip"), "--videomae_type", "sunlicai")
    with pytest.raises(UserError, match="holds no config.json; download the files of openai/clip-vit-large-patch14"):
        run(corpus, tmp_path / "nowhere", name="clip-vit-large-patch14")
    with pytest.raises(UserError, match="give a folder's name below tools/transformers/"):
        run(corpus, folder, name="openai/clip-vit-large-patch14")


def changed(source: Path, target: Path, **config) -> Path:
    """A copy of a model's folder with other settings in its config."""
    shutil.copytree(source, target)
    path = target / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **config}))
    return target


def test_model_folders_that_do_not_fit_together(models, corpus, tmp_path):
    no_weights = changed(models("vit"), tmp_path / "no_weights")
    (no_weights / "model.safetensors").unlink()
    with pytest.raises(UserError, match="lacks model.safetensors or pytorch_model.bin"):
        run(corpus, no_weights)
    deeper = changed(models("vit"), tmp_path / "deeper", num_hidden_layers=3)
    with pytest.raises(UserError, match=r"the weights lack .*layers?\.2"):
        run(corpus, deeper)
    other_size = changed(models("vit"), tmp_path / "other_size")
    processor = other_size / "preprocessor_config.json"
    processor.write_text(json.dumps({**json.loads(processor.read_text()), "size": {"height": 40, "width": 40}}))
    with pytest.raises(UserError, match=r"does not take the pictures \(3, 40, 40\) .* of the same model"):
        run(corpus, other_size)
    processor.unlink()
    with pytest.raises(UserError, match=r"holds no preprocessor_config.json"):
        run(corpus, other_size)
    assert not list((corpus / "features").glob("*/*.npy"))


class Unknown:
    """A class of the program that wrote the file."""


def test_weights_that_hold_code_are_named_and_not_opened(models, corpus, tmp_path):
    from safetensors.torch import load_file

    folder = changed(models("vit"), tmp_path / "pickled")
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save({**weights, "log": Unknown()}, folder / "pytorch_model.bin")
    with pytest.raises(UserError) as caught:
        run(corpus, folder)
    message = str(caught.value)
    assert f"{folder}: one of its weight files holds {__name__}.Unknown, which could run code; not opened" in message
    assert "weights_only" not in message and "succeed" not in message and "\x1b" not in message
    torch.save(weights, folder / "pytorch_model.bin")
    assert run(corpus, folder, "--limit", "1") == 0


def test_published_checkpoints_with_heads_load(models, corpus, tmp_path):
    """Released VideoMAE and data2vec files hold a decoder or a classifier beside the encoder, under a prefix."""
    import transformers as tf

    for name, whole in (
        ("videomae", tf.VideoMAEForPreTraining),
        ("data2vec", tf.Data2VecVisionForImageClassification),
        ("dinov2", tf.Dinov2ForImageClassification),
    ):
        torch.manual_seed(1)
        folder = tmp_path / name
        extra = {"decoder_hidden_size": 16, "decoder_num_hidden_layers": 1} if name == "videomae" else {}
        config = tf.AutoConfig.from_pretrained(models(name), decoder_num_attention_heads=2, **extra)
        model = whole(config)
        model.save_pretrained(folder)
        model.base_model.save_pretrained(tmp_path / f"{name}-alone")
        found = []
        for place in (folder, tmp_path / f"{name}-alone"):
            shutil.copy(models(name) / "preprocessor_config.json", place)
            assert run(corpus, place, "--overwrite", "--limit", "1") == 0
            found.append(np.load(corpus / "features" / "tiny.v1-UTT" / "a b.c.npy"))
        np.testing.assert_array_equal(found[0], found[1])
        assert np.abs(found[0]).max() > 1e-3


def test_released_videomae_files_name_two_biases_differently(models, corpus, tmp_path):
    from safetensors.torch import load_file, save_file

    old = changed(models("videomae"), tmp_path / "old")
    weights = load_file(old / "model.safetensors")
    names = {".attention.query.bias": ".attention.q_bias", ".attention.value.bias": ".attention.v_bias"}
    renamed = 0
    for key in list(weights):
        for new, released in names.items():
            if key.endswith(new):
                weights[key.removesuffix(new) + released] = weights.pop(key)
                renamed += 1
    if renamed:  # this version of transformers saves the newer names
        save_file(weights, old / "model.safetensors", metadata={"format": "pt"})
    assert sum(key.endswith(".q_bias") for key in weights) == 2
    found = []
    for place in (old, models("videomae")):
        assert run(corpus, place, "--overwrite", "--limit", "1") == 0
        found.append(np.load(corpus / "features" / "tiny.v1-UTT" / "a b.c.npy"))
    np.testing.assert_array_equal(found[0], found[1])
