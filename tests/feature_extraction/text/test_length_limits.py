"""How long a text may be: up to where the real code of a model fails, whatever its config calls that length."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

from feature_extraction.contract import Sample, SampleError
from feature_extraction.save_loop import run_extraction
from feature_extraction.text.position_table import position_limit
from feature_extraction.text.text_extractor import TextExtractor

CPU = torch.device("cpu")
SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "vocab_size": 20,
    "max_position_embeddings": 12,
}
SEQUENCE = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "vocab_size": 20, "max_position_embeddings": 12}
TABLES = {
    "BertConfig": SMALL,
    "RobertaConfig": SMALL,
    "RobertaPreLayerNormConfig": SMALL,
    "Data2VecTextConfig": SMALL,
    "XLMRobertaConfig": SMALL,
    "XLMRobertaXLConfig": SMALL,
    "CamembertConfig": SMALL,
    "IBertConfig": SMALL,
    "MPNetConfig": SMALL,
    "EsmConfig": SMALL | {"pad_token_id": 1, "mask_token_id": 4, "position_embedding_type": "absolute"},
    "OPTConfig": SMALL | {"ffn_dim": 16, "word_embed_proj_dim": 16},
    "BartConfig": SEQUENCE | {"encoder_attention_heads": 2, "decoder_attention_heads": 2},
    "GPT2Config": {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 12, "vocab_size": 20},
    "DistilBertConfig": {"dim": 16, "n_layers": 1, "n_heads": 2, "vocab_size": 20, "max_position_embeddings": 12},
}


@pytest.mark.parametrize("name", TABLES)
def test_the_table_tells_where_the_model_fails(name):
    padding = {"pad_token_id": 1} if SMALL.items() <= TABLES[name].items() else {}
    config = getattr(transformers, name)(**(padding | TABLES[name]))
    model = transformers.AutoModel.from_config(config).eval()
    model = model.get_encoder() if config.is_encoder_decoder else model
    limit = position_limit(model)
    assert limit in (10, 12)

    def run(length: int) -> None:
        with torch.inference_mode():
            model(input_ids=torch.full((1, length), 7), attention_mask=torch.ones(1, length, dtype=torch.long))

    run(limit)
    with pytest.raises((IndexError, RuntimeError)):
        run(limit + 1)


@pytest.mark.parametrize("name", ["roberta", "roberta-prelayernorm", "data2vec-text", "mpt", "gpt2", "clip", "bert"])
def test_a_text_that_is_too_long_is_cut_and_told(tiny_folder, tmp_path, name):
    extractor = TextExtractor(tiny_folder(name), name, CPU)
    samples = [Sample("long", None, "hello again, my friend! " * 200), Sample("short", None, "hello")]
    report = run_extraction(extractor, samples, tmp_path, "FRAME", progress=False)
    assert report.failures == []
    limit = {"clip": 77, "bert": 512}.get(name, 128)
    assert report.notes == {f"transcript of more than {limit} tokens: cut to that length": 1}
    tokens = extractor.tokenizer.encode(["hello"])[0]["input_ids"]
    special = len(tokens) - len(tokens[extractor.tokenizer.own_tokens])
    assert len(np.load(report.folders[0] / "long.npy")) == limit - special


def test_the_table_has_the_last_word(tiny_folder, monkeypatch):
    monkeypatch.setattr("feature_extraction.text.text_extractor.max_positions", lambda config: None)
    extractor = TextExtractor(tiny_folder("data2vec-text"), "x", CPU)
    ((rows,),) = extractor.extract(["hello again, my friend! " * 200])
    assert len(rows) == 128 - 2


def test_an_unexpected_error_names_the_number_of_tokens(tiny_folder, tmp_path, monkeypatch):
    extractor = TextExtractor(tiny_folder("bert"), "x", CPU)
    forward = extractor.model._states

    def failing(encoded, pads):
        if max(len(tokens["input_ids"]) for tokens in encoded) > 5:
            raise IndexError("index out\nof range")
        return forward(encoded, pads)

    monkeypatch.setattr(extractor.model, "_states", failing)
    with pytest.raises(SampleError, match=r"^the model fails on a text of 8 tokens \(IndexError: index out of .*\)$"):
        extractor.extract(["今天天气真好"])
    samples = [Sample("a", None, "今天天气真好"), Sample("b", None, "我很")]
    report = run_extraction(extractor, samples, tmp_path, "FRAME", progress=False)
    assert report.done == 1
    assert report.failures == [("a", "the model fails on a text of 8 tokens (IndexError: index out of range)")]
