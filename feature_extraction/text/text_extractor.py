"""Text features: the sum of the last four hidden states, one row per token of the sentence, special tokens removed.

Sentences of like length share a batch, padded on the right and masked: padding changes the numbers by float noise only.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feature_extraction.contract import Extractor, Output, Sample, batches_of
from feature_extraction.notes import note
from feature_extraction.text.model_config import hidden_width, load_config, max_positions, needs_own_code
from feature_extraction.text.precision import choose_dtype
from feature_extraction.text.text_model import TextModel
from feature_extraction.text.text_tokenizer import SentenceTokenizer
from feature_extraction.text.token_slice import CHINESE_PROBE

if TYPE_CHECKING:
    import torch

CPU_BATCH_TOKENS = 256  # measured on BERT-base: smaller wastes the weights read, larger falls out of the caches
GPU_BATCH_TOKENS = 8192


def transcript(sample: Sample) -> str:
    """`Extractor.load` of text: the transcript itself; tokens are made in the main process, many at once."""
    if not sample.text.strip():
        note("no transcript: zeros saved")
    return sample.text


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
        model.probe(tokenizer.encode([CHINESE_PROBE])[0], tokenizer.pads)
        return model

    def prepare(self) -> None:
        """Load tokenizer and model."""
        _ = self.model

    def plan(self, samples: Sequence[Sample], batch_size: int, budget: float | None = None) -> list[list[Sample]]:
        """Batches by number of tokens, longest first; `budget` is in tokens, padding included."""
        if budget is None:
            budget = CPU_BATCH_TOKENS if self._device.type == "cpu" else GPU_BATCH_TOKENS
        lengths = self.tokenizer.lengths([sample.text for sample in samples])
        by_name = {sample.name: length for sample, length in zip(samples, lengths, strict=True)}
        return batches_of(samples, lambda sample: by_name[sample.name], batch_size, budget)

    def extract(self, batch: Sequence[str]) -> list[tuple[np.ndarray, ...]]:
        """Sentences -> ``(T, D)`` each, T = own tokens; an empty sentence gives ``(0, D)``."""
        own = self.tokenizer.own_tokens
        results: list[tuple[np.ndarray, ...]] = [(np.zeros((0, self.outputs[0].width), np.float32),)] * len(batch)
        encoded = self.tokenizer.encode(batch)
        filled = [index for index, tokens in enumerate(encoded) if tokens["input_ids"][own]]
        if filled:
            rows = self.model.last_layers([encoded[index] for index in filled], self.tokenizer.pads)
            for index, row in zip(filled, rows, strict=True):
                results[index] = (row[: len(encoded[index]["input_ids"])][own],)
        return results
