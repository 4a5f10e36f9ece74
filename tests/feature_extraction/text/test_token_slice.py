"""Finding a sentence's own tokens with a probe, for tokenizers of every habit."""

from __future__ import annotations

import pytest

from feature_extraction.text.token_slice import CHINESE_PROBE, find_token_slice
from toolkit.utils.errors import UserError


class CharacterTokenizer:
    """A token per character, `before` and `after` around; characters outside `known` (when given) become [UNK]."""

    def __init__(self, before=(), after=(), known=None, lower=False, blanks=True) -> None:
        self.before, self.after, self.known, self.lower, self.blanks = before, after, known, lower, blanks

    def __call__(self, text):
        text = text.upper() if self.lower is None else text
        own = [letter if self.known is None or letter in self.known else "[UNK]" for letter in text]
        return {"input_ids": [*self.before, *own, *self.after]}

    def decode(self, tokens):
        return (" " if self.blanks else "").join(tokens)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (("[CLS]",), ("[SEP]",), slice(1, -1)),  # BERT
        ((), (), slice(0, None)),  # GPT-2
        (("<s>",), (), slice(1, None)),  # LLaMA
        ((), ("</s>",), slice(0, -1)),  # T5
        ((), ("<sep>", "<cls>"), slice(0, -2)),  # XLNet
        (("[gMASK]", "sop"), (), slice(2, None)),  # ChatGLM
        (("<a>", "<b>"), ("<c>", "<d>"), slice(2, -2)),
    ],
)
@pytest.mark.parametrize("blanks", [True, False])
def test_slice_of_each_habit(before, after, expected, blanks):
    tokenizer = CharacterTokenizer(before, after, blanks=blanks)
    assert find_token_slice(tokenizer, "x") == expected
    own = tokenizer(CHINESE_PROBE)["input_ids"][expected]
    assert own == list(CHINESE_PROBE)


def test_a_vocabulary_without_chinese_is_probed_in_english():
    letters = "abcdefghijklmnopqrstuvwxyz "
    assert find_token_slice(CharacterTokenizer(("[CLS]",), ("[SEP]",), letters), "x") == slice(1, -1)


def test_letter_case_is_ignored():
    assert find_token_slice(CharacterTokenizer(("<s>",), (), "ABCDEFGHIJKLMNOPQRSTUVWXYZ ", None), "x") == slice(
        1, None
    )


@pytest.mark.parametrize("habit", [{"before": ("a", "b", "c")}, {"after": ("a", "b", "c")}, {"known": "xyz"}])
def test_no_slice_names_the_tokenizer(habit):
    with pytest.raises(UserError, match=r"tokenizer odd-model \(CharacterTokenizer\): no slice"):
        find_token_slice(CharacterTokenizer(**habit), "odd-model")
