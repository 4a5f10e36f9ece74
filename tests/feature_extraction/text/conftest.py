"""Small random text models of the real architectures, with tokenizers of the real kinds, made on the spot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

CORPUS = ["今天天气真好", "我很高兴见到你", "the weather is nice today", "hello again, my friend!"]
LETTERS = sorted(set("".join(CORPUS)) - {" "})


def byte_level_bpe(special: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges as of RoBERTa and GPT-2."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS * 3, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


def unigrams(*special: str) -> list[tuple[str, float]]:
    """A sentencepiece-like vocabulary: letters, two words, "▁" for the blank."""
    pieces = [("▁", -2.0), ("今天", -3.5), ("天气", -3.5), *((letter, -3.0) for letter in LETTERS)]
    return [(token, 0.0) for token in special] + pieces


def words(*special: str) -> dict[str, int]:
    """A WordPiece vocabulary of single letters and their continuations."""
    return {token: i for i, token in enumerate([*special, *LETTERS, *(f"##{letter}" for letter in LETTERS)])}


def bert_tokenizer():
    return transformers.BertTokenizer(vocab=words("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"))


def mpnet_tokenizer():
    return transformers.MPNetTokenizer(vocab=words("<s>", "<pad>", "</s>", "<unk>", "[UNK]", "<mask>"))


def roberta_tokenizer():
    vocab, merges = byte_level_bpe(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    return transformers.RobertaTokenizer(vocab=vocab, merges=merges)


def gpt2_tokenizer():
    vocab, merges = byte_level_bpe(["<|endoftext|>"])
    return transformers.GPT2Tokenizer(vocab=vocab, merges=merges)


def bloom_tokenizer():
    """Bloom's and Falcon's kind: a tokenizer.json without a class of its own, no special tokens around."""
    vocab, merges = byte_level_bpe(["<unk>", "<s>", "</s>", "<pad>"])
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = transformers.GPT2Tokenizer(vocab=vocab, merges=merges).backend_tokenizer.decoder
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", bos_token="<s>")


def opt_tokenizer():
    """OPT's: GPT-2's letters, with </s> (its BOS) in front."""
    vocab, merges = byte_level_bpe(["<s>", "<pad>", "</s>", "<unk>"])
    special = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"}
    return transformers.GPT2Tokenizer(vocab=vocab, merges=merges, add_bos_token=True, **special)


def clip_tokenizer():
    vocab, merges = byte_level_bpe(["<|startoftext|>", "<|endoftext|>"])
    vocab |= {f"{token}</w>": len(vocab) + i for i, token in enumerate(sorted(vocab)[:280])}
    return transformers.CLIPTokenizer(vocab=vocab, merges=merges)


def xlnet_tokenizer():
    return transformers.XLNetTokenizer(vocab=unigrams("<unk>", "<s>", "</s>", "<pad>", "<sep>", "<cls>", "<mask>"))


def t5_tokenizer():
    return transformers.T5Tokenizer(vocab=unigrams("<pad>", "</s>", "<unk>"), extra_ids=0)


def albert_tokenizer():
    return transformers.AlbertTokenizer(vocab=unigrams("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"))


def deberta_v2_tokenizer():
    return transformers.DebertaV2Tokenizer(vocab=unigrams("[PAD]", "[CLS]", "[SEP]", "[UNK]"))


def llama_tokenizer():
    """Without 气, which is spelt in its three bytes."""
    letters = [letter for letter in LETTERS if letter != "气"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *letters, "今天"]
    vocab = {token: i for i, token in enumerate(tokens)}
    return transformers.LlamaTokenizer(vocab=vocab, merges=[("今", "天")], add_bos_token=True)


SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
DEBERTA = {**SMALL, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "max_relative_positions": 64}
# name -> (tokenizer, config class, config; vocab_size is filled in)
FAMILIES: dict[str, tuple[Callable, str, dict]] = {
    "bert": (bert_tokenizer, "BertConfig", SMALL),
    "roberta": (roberta_tokenizer, "RobertaConfig", {**SMALL, "pad_token_id": 1, "max_position_embeddings": 130}),
    "roberta-prelayernorm": (
        roberta_tokenizer,
        "RobertaPreLayerNormConfig",
        {**SMALL, "pad_token_id": 1, "max_position_embeddings": 130},
    ),
    "data2vec-text": (
        roberta_tokenizer,
        "Data2VecTextConfig",
        {**SMALL, "pad_token_id": 1, "max_position_embeddings": 130},
    ),
    "mpt": (bloom_tokenizer, "MptConfig", {"d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 128}),
    "albert": (albert_tokenizer, "AlbertConfig", {**SMALL, "embedding_size": 16}),
    "electra": (bert_tokenizer, "ElectraConfig", {**SMALL, "embedding_size": 16}),
    "mpnet": (mpnet_tokenizer, "MPNetConfig", {**SMALL, "pad_token_id": 1}),
    "deberta": (roberta_tokenizer, "DebertaConfig", {**DEBERTA, "position_biased_input": False}),
    "deberta-v2": (
        deberta_v2_tokenizer,
        "DebertaV2Config",
        {**DEBERTA, "position_buckets": 8, "norm_rel_ebd": "layer_norm", "share_att_key": True, "conv_kernel_size": 3},
    ),
    "clip": (clip_tokenizer, "CLIPConfig", {"text_config": {**SMALL, "max_position_embeddings": 77}}),
    "xlnet": (xlnet_tokenizer, "XLNetConfig", {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48}),
    "t5": (t5_tokenizer, "T5Config", {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}),
    "bart": (roberta_tokenizer, "BartConfig", {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2}),
    "gpt2": (gpt2_tokenizer, "GPT2Config", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}),
    "gpt2-chinese": (bert_tokenizer, "GPT2Config", {"n_embd": 32, "n_layer": 2, "n_head": 4}),
    "bloom": (bloom_tokenizer, "BloomConfig", {"hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "opt": (opt_tokenizer, "OPTConfig", {**SMALL, "ffn_dim": 48, "word_embed_proj_dim": 32}),
    "llama": (llama_tokenizer, "LlamaConfig", {**SMALL, "num_key_value_heads": 2}),
    "falcon": (bloom_tokenizer, "FalconConfig", {**SMALL, "multi_query": True, "alibi": False}),
    "falcon-alibi": (bloom_tokenizer, "FalconConfig", {**SMALL, "multi_query": False, "alibi": True}),
    "gpt-neox": (bloom_tokenizer, "GPTNeoXConfig", SMALL),
    "stablelm": (bloom_tokenizer, "StableLmConfig", {**SMALL, "num_key_value_heads": 4}),
}


def build_tiny(name: str, folder: Path) -> Path:
    """Write model and tokenizer of a family into `folder`."""
    make_tokenizer, config_class, values = FAMILIES[name]
    tokenizer = make_tokenizer()
    values = dict(values)
    if "text_config" in values:
        values["text_config"] = {**values["text_config"], "vocab_size": len(tokenizer)}
        values["vision_config"] = {**SMALL, "image_size": 8, "patch_size": 4}
    else:
        values["vocab_size"] = len(tokenizer)
    torch.manual_seed(0)
    config = getattr(transformers, config_class)(**values)
    model = transformers.AutoModel.from_config(config)
    for parameter in model.parameters():  # larger than the usual start, so that every part shows in the output
        parameter.data += 0.2 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """family name -> its model folder, built once."""
    shelf = tmp_path_factory.mktemp("tiny")

    def folder(name: str) -> Path:
        place = shelf / name
        return place if place.is_dir() else build_tiny(name, place)

    return folder


@pytest.fixture(scope="session", params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    """Every family in turn."""
    return request.param
