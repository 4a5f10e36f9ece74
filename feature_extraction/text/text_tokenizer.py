"""Sentences to token ids, many at once, with the sentence's own tokens known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_extraction.huggingface_folder import read_model_type
from feature_extraction.notes import note
from feature_extraction.text.model_files import (
    SENTENCEPIECE_FILES,
    check_tokenizer_files,
    download_hint,
    only_vocab_txt,
    tokenizer_config,
)
from feature_extraction.text.token_slice import find_token_slice
from toolkit.utils.errors import UserError
from toolkit.utils.quiet import quiet_transformers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_UNLIMITED = 1_000_000  # transformers writes 1e30 for "not stated"
_CHUNK = 1000  # sentences tokenized at once: enough for the library's threads
# XLNet's attention compares segments (its <cls> has one of its own) once segments are given, as the reference's version
# of transformers did; version 5 gives them on demand only. For all other families the default means the same.
_SEGMENT_FAMILIES = frozenset(("xlnet",))


class SentenceTokenizer:
    """A folder's tokenizer.

    Attributes:
        own_tokens: the slice of a token list that holds the sentence's own tokens.
        pads: what fills short sentences, per input; masked, so that any id will do for tokenizers without a pad token.
    """

    def __init__(self, folder: Path, max_positions: int | None = None, trust_remote_code: bool = False) -> None:
        """Load it; `max_positions` is how many tokens the model takes at once (None: no limit).

        Raises:
            UserError: it cannot be loaded, or its special tokens cannot be told apart.
        """
        self._tokenizer = load_tokenizer(folder, trust_remote_code)
        self._options = {"return_token_type_ids": True} if read_model_type(folder) in _SEGMENT_FAMILIES else {}
        stated = self._tokenizer.model_max_length
        limits = [int(limit) for limit in (stated, max_positions) if limit is not None and limit < _UNLIMITED]
        self.max_tokens: int | None = min(limits, default=None)
        self._tokenizer.model_max_length = 10**30  # longer texts are cut here, and told once: no warning of its own
        self.own_tokens = find_token_slice(self._tokenizer, str(folder))
        pad = self._tokenizer.pad_token_id
        self.pads = {"input_ids": 0 if pad is None else pad, "token_type_ids": self._tokenizer.pad_token_type_id}

    def limit(self, max_tokens: int | None) -> None:
        """Cut to `max_tokens` from now on, where that is less than was known so far (None: it is not)."""
        if max_tokens is not None:
            self.max_tokens = min(max_tokens, self.max_tokens or max_tokens)

    def encode(self, texts: Sequence[str]) -> list[dict[str, list[int]]]:
        """Per sentence its token ids (and segments), special tokens included, cut to the maximum."""
        encoded = self._split(self._tokenizer(list(texts), **self._options)) if texts else []
        for index, tokens in enumerate(encoded):
            if self.max_tokens is not None and len(tokens["input_ids"]) > self.max_tokens:
                cut = self._tokenizer([texts[index]], truncation=True, max_length=self.max_tokens, **self._options)
                encoded[index] = self._split(cut)[0]
                note(f"transcript of more than {self.max_tokens} tokens: cut to that length")
        return encoded

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens per sentence, special tokens included, after cutting."""
        counts: list[int] = []
        for start in range(0, len(texts), _CHUNK):
            ids = self._tokenizer(list(texts[start : start + _CHUNK]))["input_ids"]
            counts += [min(len(tokens), self.max_tokens or len(tokens)) for tokens in ids]
        return counts

    @staticmethod
    def _split(batch: Any) -> list[dict[str, Any]]:
        return [
            {key: list(batch[key][index]) for key in batch if len(batch[key]) == len(batch["input_ids"])}
            for index in range(len(batch["input_ids"]))
        ]


def load_tokenizer(folder: Path, trust_remote_code: bool = False) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder, from local files only.

    Raises:
        UserError: its files are missing, or cannot be read with the packages that are installed.
    """
    check_tokenizer_files(folder)
    from transformers import AutoTokenizer, BertTokenizer

    auto_class = BertTokenizer if only_vocab_txt(folder) else AutoTokenizer
    with quiet_transformers():
        try:
            tokenizer = auto_class.from_pretrained(
                folder, local_files_only=True, trust_remote_code=trust_remote_code, **_bos_option(folder)
            )
        except Exception as error:  # code of libraries, and of the folder when it is trusted, may raise anything
            raise UserError(f"{folder}: its tokenizer cannot be loaded ({_reason(folder, error)})") from error
    if len(tokenizer) <= len(tokenizer.all_special_tokens):  # transformers makes an empty one up
        raise UserError(f"{folder}: its tokenizer files hold no vocabulary; {download_hint(folder)}")
    return tokenizer


def _bos_option(folder: Path) -> dict[str, bool]:
    """Llama's tokenizer.model says nothing of its BOS; transformers 4 added it by default, version 5 does not."""
    silent = not (folder / "tokenizer.json").is_file() and "add_bos_token" not in tokenizer_config(folder)
    return {"add_bos_token": True} if silent and read_model_type(folder) == "llama" else {}


def _reason(folder: Path, error: Exception) -> str:
    names = {path.name for path in folder.glob("*")}
    pieces = sorted(names & set(SENTENCEPIECE_FILES))
    if pieces and "tokenizer.json" not in names and not _has_sentencepiece():
        return f"reading {pieces[0]} needs two packages: pip install sentencepiece protobuf"
    return f"{' '.join(str(error).split()) or type(error).__name__}; download it again"


def _has_sentencepiece() -> bool:
    from transformers.utils import is_protobuf_available, is_sentencepiece_available

    return is_sentencepiece_available() and is_protobuf_available()
