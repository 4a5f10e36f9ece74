"""Which of a tokenizer's tokens are the sentence's own: found by a probe, not by a list of tokenizers.

Tokenizers put special tokens around a sentence ([CLS] ... [SEP], <s> ... </s>, ... <sep> <cls>, or none). The probe is
encoded once, and the slice that decodes back to it, blanks ignored, is the slice of every sentence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CHINESE_PROBE = "今天天气真好"
ENGLISH_PROBE = "the weather is nice today"  # lower case, no punctuation: the same for tokenizers that lower-case


def find_token_slice(tokenizer: PreTrainedTokenizerBase, name: str) -> slice:
    """The slice of the token list that holds the sentence's own tokens: start 0..2, end none, -1 or -2.

    A vocabulary that cannot represent the Chinese probe (English uncased models decode it to [UNK]) is probed with an
    English sentence instead. Letter case is ignored: some tokenizers lower-case.

    Raises:
        UserError: no slice decodes back to either probe; the message names the tokenizer and what it gave.
    """
    decoded = ""
    for probe in (CHINESE_PROBE, ENGLISH_PROBE):
        tokens = tokenizer(probe)["input_ids"]
        for start in range(3):
            for end in (None, -1, -2):
                if _bare(tokenizer.decode(tokens[start:end])) == _bare(probe):
                    return slice(start, end)
        decoded = tokenizer.decode(tokens)
    raise UserError(
        f"tokenizer {name} ({type(tokenizer).__name__}): no slice of its tokens decodes back to {CHINESE_PROBE!r} or "
        f"{ENGLISH_PROBE!r} (it gave {decoded!r}), so its special tokens cannot be told apart"
    )


def _bare(text: str) -> str:
    return "".join(text.split()).lower()
