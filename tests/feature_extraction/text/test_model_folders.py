"""What is wrong with a model's folder is named: which file, which value, what to do."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from feature_extraction.text import text_model
from feature_extraction.text.model_config import hidden_width
from feature_extraction.text.model_files import only_vocab_txt
from feature_extraction.text.text_extractor import TextExtractor
from feature_extraction.text.text_tokenizer import SentenceTokenizer, _bos_option
from toolkit.utils.errors import UserError

CPU = torch.device("cpu")


@pytest.fixture
def bert(tiny_folder, tmp_path):
    """A folder that a test may damage, under a name that the registry knows."""
    return shutil.copytree(tiny_folder("bert"), tmp_path / "chinese-lert-base")


def failure(folder, **options) -> str:
    with pytest.raises(UserError) as caught:
        TextExtractor(folder, "x", CPU, **options).prepare()
    return str(caught.value)


def test_no_weights(bert):
    (bert / "model.safetensors").unlink()
    assert failure(bert) == (
        f"{bert}: holds neither model.safetensors nor pytorch_model.bin; "
        "download them from hfl/chinese-lert-base on the Hugging Face hub"
    )
    (bert / "tf_model.h5").write_bytes(b"")
    assert "(it holds tf_model.h5, which is for another library)" in failure(bert)


def test_a_part_of_the_weights_is_missing(bert):
    (bert / "model.safetensors").rename(bert / "model-00001-of-00003.safetensors")
    parts = {f"w{i}": f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)}
    (bert / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))
    message = failure(bert)
    assert message.startswith(f"{bert / 'model-00002-of-00003.safetensors'} does not exist (2 of 3 parts are missing)")
    (bert / "model.safetensors.index.json").write_text("[]")
    assert "model.safetensors.index.json: not a readable list of weight files" in failure(bert)


def test_a_git_lfs_pointer(bert):
    (bert / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert failure(bert) == (
        f"{bert / 'model.safetensors'}: is a Git LFS pointer, not the file itself; run `git lfs pull` in {bert}"
    )


def test_a_truncated_file_and_incomplete_weights(bert):
    weights = load_file(bert / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"], weights["pooler.dense.weight"]
    save_file(weights, bert / "model.safetensors", {"format": "pt"})
    assert failure(bert) == (
        f"{bert}: the weights lack encoder.layer.1.output.dense.weight (1 in all); download it again"
    )
    whole = (bert / "model.safetensors").read_bytes()
    (bert / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert failure(bert).startswith(f"{bert}: cannot be loaded (")


def test_a_model_without_a_tokenizer(bert):
    (bert / "tokenizer.json").unlink()
    assert failure(bert) == (
        f"{bert}: holds no tokenizer files (none of tokenizer.json, vocab.txt, vocab.json, spiece.model, "
        "tokenizer.model, spm.model); download them from hfl/chinese-lert-base on the Hugging Face hub"
    )
    (bert / "tokenizer.json").write_text("{}")
    assert failure(bert).startswith(f"{bert}: its tokenizer cannot be loaded (")


def test_a_sentencepiece_file_needs_packages(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder("xlnet"), tmp_path / "xlnet")
    (folder / "tokenizer.json").rename(folder / "spiece.model")
    if text_model.find_spec("sentencepiece"):
        pytest.skip("sentencepiece is installed")
    assert failure(folder) == (
        f"{folder}: its tokenizer cannot be loaded (reading spiece.model needs two packages: "
        "pip install sentencepiece protobuf)"
    )


@pytest.mark.parametrize(
    ("model_type", "takes", "script"),
    [
        ("wav2vec2", "input_values", "audio"),
        ("whisper", "input_features", "audio"),
        ("dinov2", "pixel_values", "image"),
    ],
)
def test_a_model_of_another_kind(bert, model_type, takes, script):
    (bert / "config.json").write_text(json.dumps({"model_type": model_type}))
    message = failure(bert)
    assert message.startswith(f"{bert}: model_type '{model_type}' takes {takes}, not text") and script in message


def test_an_unknown_model_type(bert):
    (bert / "config.json").write_text('{"model_type": "tomorrow"}')
    assert f"{bert}: model_type 'tomorrow' is unknown to transformers" in failure(bert)


def test_the_tokenizer_of_another_model(bert, tiny_folder):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_folder("roberta") / name, bert / name)
    message = failure(bert)
    size = json.loads((bert / "config.json").read_text())["vocab_size"]
    assert f"is outside the model's vocabulary of {size}; is the tokenizer in {bert} another model's?" in message


def test_device_map_needs_accelerate(bert, monkeypatch):
    monkeypatch.setattr(text_model, "find_spec", lambda name: None)
    assert failure(bert, device_map="auto") == (
        "--device_map auto needs a package: pip install accelerate; or leave the flag out"
    )


def test_vocab_txt_alone_is_a_bert_tokenizer(tiny_folder, tmp_path):
    """clue/albert_chinese_small comes so: an ALBERT model, config.json and vocab.txt, nothing else."""
    folder = shutil.copytree(tiny_folder("albert"), tmp_path / "albert")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"今天气真好"]) + "\n")
    assert only_vocab_txt(folder) and not only_vocab_txt(tiny_folder("albert"))
    tokenizer = SentenceTokenizer(folder)
    assert tokenizer.own_tokens == slice(1, -1)
    assert tokenizer.encode(["今天"])[0]["input_ids"] == [2, 5, 6, 3]


def test_llama_without_tokenizer_json_keeps_its_bos(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder("llama"), tmp_path / "llama")
    assert _bos_option(folder) == {}
    (folder / "tokenizer.json").unlink()
    assert _bos_option(folder) == {"add_bos_token": True}
    (folder / "tokenizer_config.json").write_text('{"add_bos_token": false}')
    assert _bos_option(folder) == {}
    assert _bos_option(tiny_folder("bert")) == {}


def test_device_map_reaches_the_loader(bert, monkeypatch):
    seen = {}

    def loader(auto_class, folder, device, **options):
        seen.update(options)
        raise UserError("enough")

    monkeypatch.setattr(text_model, "find_spec", lambda name: True)
    monkeypatch.setattr(text_model, "load_model", loader)
    assert failure(bert, device_map="auto", dtype="bfloat16") == "enough"
    assert (seen["device_map"], seen["dtype"], seen["trust_remote_code"]) == ("auto", "bfloat16", False)


def test_a_config_without_a_width():
    with pytest.raises(UserError, match="model_type 'odd' states no hidden_size"):
        hidden_width(SimpleNamespace(model_type="odd"))
    assert hidden_width(SimpleNamespace(model_type="odd", n_embd=7)) == 7
