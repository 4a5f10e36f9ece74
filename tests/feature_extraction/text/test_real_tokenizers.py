"""The token slice on tokenizers of transformers' own classes, worked out by hand for each."""

from __future__ import annotations

import pytest

from feature_extraction.text.text_tokenizer import SentenceTokenizer, load_tokenizer
from feature_extraction.text.token_slice import CHINESE_PROBE

# family -> (tokens of the probe or how many, slice, padding side by the tokenizer's own habit)
EXPECTED = {
    "bert": (["[CLS]", *"今天天气真好", "[SEP]"], slice(1, -1), "right"),
    "mpnet": (["<s>", *"今天天气真好", "</s>"], slice(1, -1), "right"),
    "xlnet": (["▁", "今天", "天气", "真", "好", "<sep>", "<cls>"], slice(0, -2), "left"),
    "t5": (["▁", "今天", "天气", "真", "好", "</s>"], slice(0, -1), "right"),
    "albert": (["[CLS]", "▁", "今天", "天气", "真", "好", "[SEP]"], slice(1, -1), "right"),
    "deberta-v2": (["[CLS]", "▁", "今天", "天气", "真", "好", "[SEP]"], slice(1, -1), "right"),
    "llama": (["<s>", "▁", "今天", "天", "<0xE6>", "<0xB0>", "<0x94>", "真", "好"], slice(1, None), "left"),
}
# byte-level: Chinese letters become pieces of their bytes; what stands around them is what counts
AROUND = {
    "roberta": (["<s>"], ["</s>"], slice(1, -1)),
    "gpt2": ([], [], slice(0, None)),
    "bloom": ([], [], slice(0, None)),
    "opt": (["</s>"], [], slice(1, None)),
    "clip": (["<|startoftext|>"], ["<|endoftext|>"], slice(1, -1)),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_slice_and_tokens(name, tiny_folder):
    tokens, own, side = EXPECTED[name]
    plain = load_tokenizer(tiny_folder(name))
    assert plain.convert_ids_to_tokens(plain(CHINESE_PROBE)["input_ids"]) == tokens
    assert plain.padding_side == side
    assert SentenceTokenizer(tiny_folder(name)).own_tokens == own


@pytest.mark.parametrize("name", AROUND)
def test_slice_of_byte_level_tokenizers(name, tiny_folder):
    before, after, own = AROUND[name]
    plain = load_tokenizer(tiny_folder(name))
    tokens = plain.convert_ids_to_tokens(plain(CHINESE_PROBE)["input_ids"])
    assert tokens[: len(before)] == before and tokens[len(tokens) - len(after) :] == after
    assert SentenceTokenizer(tiny_folder(name)).own_tokens == own
    inner = plain(CHINESE_PROBE)["input_ids"][own]
    assert len(inner) == len(tokens) - len(before) - len(after)
    assert not set(inner) & set(plain.all_special_ids)


@pytest.mark.parametrize("name", ["xlnet", "llama", "gpt2"])
def test_a_batch_of_tokens_is_that_of_single_sentences(name, tiny_folder):
    tokenizer = SentenceTokenizer(tiny_folder(name))
    texts = ["hello", "今天天气真好 hello again", ""]
    assert tokenizer.encode(texts) == [tokenizer.encode([text])[0] for text in texts]
    assert tokenizer.lengths(texts) == [len(tokens["input_ids"]) for tokens in tokenizer.encode(texts)]


def test_xlnet_gets_its_segments(tiny_folder):
    (tokens,) = SentenceTokenizer(tiny_folder("xlnet")).encode(["今天"])
    assert tokens["token_type_ids"] == [0, 0, 0, 2]  # ▁, 今天, <sep>, and <cls> in a segment of its own


def test_cutting_keeps_the_special_tokens(tiny_folder):
    tokenizer = SentenceTokenizer(tiny_folder("bert"), max_positions=5)
    plain = load_tokenizer(tiny_folder("bert"))
    short, exact, long = tokenizer.encode(["天气", "今天天", "今天天气真好"])
    assert [len(tokens["input_ids"]) for tokens in (short, exact, long)] == [4, 5, 5]
    assert plain.convert_ids_to_tokens(long["input_ids"]) == ["[CLS]", "今", "天", "天", "[SEP]"]
    assert tokenizer.lengths(["天气", "今天天", "今天天气真好"]) == [4, 5, 5]
