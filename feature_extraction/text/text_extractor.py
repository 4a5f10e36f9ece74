"""Text encoders: the sum of the last four hidden states, one row per token of the sentence, special tokens removed.

Works by architecture (config.json): an encoder, a decoder, or the encoder of an encoder-decoder model. Sentences of
like length share a batch, padded on the right and masked, so padding changes the numbers by float noise only.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_extraction.contract import Extractor, Output, Sample
from feature_extraction.huggingface_folder import load_model, read_model_type
from feature_extraction.text.token_slice import find_token_slice
from toolkit.utils.errors import UserError
from toolkit.utils.quiet import quiet_transformers

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

LAST_LAYERS = 4
# Their positions are counted from pad_token_id + 1, so that the table of positions is longer than the longest text.
_OFFSET_POSITIONS = frozenset(("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer"))


def transcript(sample: Sample) -> str:
    """`Extractor.load` of text: the transcript itself; tokens are made in the main process, beside the model."""
    return sample.text


class TextExtractor(Extractor):
    """Features of a text model's folder; width = its hidden size.

    Raises:
        UserError: the folder cannot be loaded, or its tokenizer's special tokens cannot be told apart.
    """

    modality = "text"

    def __init__(self, folder: Path, stem: str, device: torch.device) -> None:
        from transformers import AutoModel

        read_model_type(folder)  # a damaged config is named before transformers guesses
        self.tokenizer = _load_tokenizer(folder)
        self.own_tokens = find_token_slice(self.tokenizer, str(folder))
        model = load_model(AutoModel, folder, device)
        self.model = model.get_encoder() if model.config.is_encoder_decoder else model
        self.max_tokens = longest_text(self.tokenizer, model.config)
        self.outputs = (Output(stem, model.config.hidden_size),)
        self.load = transcript
        self._said_truncated = False

    def extract(self, batch: Sequence[str]) -> list[tuple[np.ndarray, ...]]:
        """Sentences -> ``(T, D)`` each, T = own tokens; an empty sentence gives ``(0, D)``."""
        results: list[tuple[np.ndarray, ...]] = [(np.zeros((0, self.outputs[0].width), np.float32),)] * len(batch)
        encoded = [self._encode(text) for text in batch]
        filled = [index for index, tokens in enumerate(encoded) if len(tokens["input_ids"][self.own_tokens])]
        if filled:
            rows = self._last_layers([encoded[index] for index in filled])  # (B, longest, D)
            for index, row in zip(filled, rows, strict=True):
                length = len(encoded[index]["input_ids"])
                results[index] = (row[:length][self.own_tokens],)
        return results

    def _encode(self, text: str) -> dict[str, Any]:
        """Token ids (and what else the model takes) of one sentence; cut to the maximum, special tokens kept."""
        tokens = self.tokenizer(text, verbose=False)
        if self.max_tokens is None or len(tokens["input_ids"]) <= self.max_tokens:
            return dict(tokens)
        if not self._said_truncated:
            print(f"warning: texts of more than {self.max_tokens} tokens are cut to that length", file=sys.stderr)
            self._said_truncated = True
        return dict(self.tokenizer(text, truncation=True, max_length=self.max_tokens))

    def _last_layers(self, encoded: list[dict[str, Any]]) -> np.ndarray:
        import torch

        with quiet_transformers():  # it would advise against padding by hand
            inputs = self.tokenizer.pad(encoded, padding=True, padding_side="right", return_tensors="pt")
        with torch.inference_mode():
            states = self.model(**inputs.to(self.model.device), output_hidden_states=True).hidden_states
            return torch.stack(states[-LAST_LAYERS:]).sum(dim=0).float().cpu().numpy()


def longest_text(tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig) -> int | None:
    """How many tokens, special ones included, the model takes at once; None when it has no limit."""
    limits = []
    if tokenizer.model_max_length < 1_000_000:  # transformers writes 1e30 for "not stated"
        limits.append(int(tokenizer.model_max_length))
    positions = getattr(config, "max_position_embeddings", None)
    if positions and positions > 0 and not getattr(config, "relative_attention", False):
        limits.append(positions - (config.pad_token_id + 1 if config.model_type in _OFFSET_POSITIONS else 0))
    return min(limits, default=None)


def _load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    with quiet_transformers():
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError, ImportError, KeyError) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"{folder}: its tokenizer cannot be loaded ({reason}); download it again") from error
        if len(tokenizer) <= len(tokenizer.all_special_tokens):  # transformers makes an empty one up
            raise UserError(f"{folder}: holds no tokenizer files; download tokenizer.json or the vocabulary into it")
        if tokenizer.pad_token is None:  # padded places are masked, so any token will do
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer
