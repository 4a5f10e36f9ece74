"""Text features: the sum of the last four hidden states, one row per token of the sentence, special tokens removed.

Sentences of like length share a batch, padded on the right and masked: padding changes the numbers by float noise only.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feature_extraction.contract import Extractor, Output, Sample, SampleError, batches_of
from feature_extraction.notes import note
from feature_extraction.text.model_config import hidden_width, load_config, max_positions, needs_own_code
from feature_extraction.text.precision import choose_dtype
from feature_extraction.text.text_model import TextModel
from feature_extraction.text.text_tokenizer import SentenceTokenizer
from feature_extraction.text.token_slice import CHINESE_PROBE
from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    import torch

CPU_BATCH_TOKENS = 256  # measured on BERT-base: smaller wastes the weights read, larger falls out of the caches
GPU_BATCH_TOKENS = 8192


def transcript(sample: Sample) -> str:
    """`Extractor.load` of text: the transcript itself; tokens are made in the main process, many at once."""
    if is_blank(sample.text):
        note("no transcript: zeros saved")
    return sample.text


def is_blank(text: str) -> bool:
    """Whether there is nothing to read in `text`: no character but blanks of any kind and invisible ones (U+200B)."""
    return all(letter.isspace() or unicodedata.category(letter) in ("Cc", "Cf") for letter in text)


class TextExtractor(Extractor):
    """Features of a text model's folder; width = its hidden size.

    Raises:
        UserError: the folder is no text model's, or needs code of its own that is not trusted. What is wrong with its
            tokenizer or weights is said by `plan` and `prepare`.
    """

    modality = "text"
    replica_pays = 200_000  # letters; loading the copies takes about as long as 10,000 of them
    formula = "sum of the last 4 hidden states of the sentence's own tokens"

    def __init__(
        self,
        folder: Path,
        stem: str,
        device: torch.device,
        *,
        dtype: str | None = None,
        device_map: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        self.weights = folder
        self._config = load_config(folder, trust_remote_code)
        self._device = device
        self._device_map = device_map
        self.dtype = choose_dtype(dtype, self._config, device)
        self.outputs = (Output(stem, hidden_width(self._config)),)
        self.load = transcript
        if device.type == "cpu" and not device_map:
            options = {"dtype": self.dtype, "trust_remote_code": trust_remote_code}
            self.replica = partial(TextExtractor, folder, stem, device, **options)

    @cached_property
    def tokenizer(self) -> SentenceTokenizer:
        """Loaded when it is first needed: a run that finds everything done needs none."""
        return SentenceTokenizer(self.weights, max_positions(self._config), needs_own_code(self.weights))

    @cached_property
    def model(self) -> TextModel:
        """Loaded when it is first needed, and tried on the probe sentence."""
        tokenizer = self.tokenizer  # first: its errors come in a second, the weights may take minutes
        model = TextModel(self.weights, self._config, self._device, self.dtype, self._device_map)
        tokenizer.limit(model.max_positions)  # the table itself: a config may leave it unsaid
        model.probe(tokenizer.encode([CHINESE_PROBE])[0], tokenizer.pads)
        return model

    def prepare(self) -> None:
        """Load tokenizer and model."""
        _ = self.model

    def plan(self, samples: Sequence[Sample], batch_size: int, budget: float | None = None) -> list[list[Sample]]:
        """Batches by number of tokens, longest first; `budget` is in tokens, padding included."""
        if budget is None:
            budget = CPU_BATCH_TOKENS if self._device.type == "cpu" else GPU_BATCH_TOKENS
        lengths = self.tokenizer.lengths(["" if is_blank(sample.text) else sample.text for sample in samples])
        by_name = {sample.name: length for sample, length in zip(samples, lengths, strict=True)}
        return batches_of(samples, lambda sample: by_name[sample.name], batch_size, budget)

    def extract(self, batch: Sequence[str]) -> list[tuple[np.ndarray, ...]]:
        """Sentences -> ``(T, D)`` each, T = own tokens; an empty or blank sentence gives ``(0, D)``.

        A blank sentence is not shown to the tokenizer: some make a token of blanks.
        """
        _ = self.model  # first: its table of positions says where texts are cut
        own = self.tokenizer.own_tokens
        results: list[tuple[np.ndarray, ...]] = [(np.zeros((0, self.outputs[0].width), np.float32),)] * len(batch)
        texts = ["" if is_blank(text) else text for text in batch]
        encoded = self.tokenizer.encode(texts)
        filled = [index for index, text in enumerate(texts) if text and encoded[index]["input_ids"][own]]
        if filled:
            rows = self._last_layers([encoded[index] for index in filled])
            for index, row in zip(filled, rows, strict=True):
                results[index] = (row[: len(encoded[index]["input_ids"])][own],)
        return results

    def _last_layers(self, encoded: list[dict[str, list[int]]]) -> np.ndarray:
        try:
            return self.model.last_layers(encoded, self.tokenizer.pads)
        except (SampleError, UserError):
            raise
        except Exception as error:  # whatever the model's code raises; the save loop tries single texts then
            count = max(len(tokens["input_ids"]) for tokens in encoded)
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise SampleError(f"the model fails on a text of {count} tokens ({reason})") from error
