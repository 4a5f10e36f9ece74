"""THE extractor contract: what every feature extractor takes and gives.

An extractor turns prepared samples into one array ``(T, D)`` float32 per sample and output: T frames, tokens or steps
in time order, D features. From this everything else follows, in one place (`save_loop.py`):

- FRAME saves the ``(T, D)`` array as it is; UTTERANCE saves its mean over T, ``(D,)``. An extractor whose utterance
  feature has a formula of its own (openSMILE functionals, say) gets ``level`` when it is built and returns ``(1, D)``.
- ``T = 0`` (no frame, no token) becomes a zero row of width D.
- The work of one sample has two halves. `Extractor.load` reads and decodes: it runs in worker processes, so it must be
  a picklable callable that holds no model. `Extractor.extract` computes on a batch in the main process.
- `Extractor.plan` composes the batches by the extractor's own rule. Whatever it composes, the values must equal those
  of one sample at a time within 1e-4 of the largest value: padding must not leak into results.
- No randomness: models are in eval mode, and nothing depends on worker count, batch size or file-system order.
- An exception for one sample is that sample's failure (listed at the end), never the batch's.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

LEVELS = ("UTTERANCE", "FRAME")


class SampleError(Exception):
    """One sample cannot be used; the message says why in one line."""


@dataclass(frozen=True)
class Sample:
    """One clip of a corpus: its `name` and what is read: a file, or (text features) the transcript itself."""

    name: str
    path: Path | None = None
    text: str = ""


@dataclass(frozen=True)
class Output:
    """One feature folder that an extractor writes: folder stem (without ``-UTT``) and width D."""

    stem: str
    width: int


class Extractor(abc.ABC):
    """Base class of all extractors; see the module's docstring for the contract.

    Attributes:
        outputs: the folders written, at least one; `extract` returns one array per output, in this order.
        load: picklable callable, sample -> prepared input; raises `SampleError` (or any exception) for a bad sample.
        modality: "audio", "text" or "visual".
    """

    modality: ClassVar[str]
    outputs: tuple[Output, ...]
    load: Callable[[Sample], Any]

    @abc.abstractmethod
    def extract(self, batch: Sequence[Any]) -> list[tuple[np.ndarray, ...]]:
        """Features of prepared samples: per sample a tuple with one ``(T, D)`` float32 array per output."""

    def cost(self, sample: Sample) -> float:
        """A cheap estimate of the sample's size (bytes, characters), used to put samples of like size together."""
        if sample.path is None:
            return float(len(sample.text))
        return float(sample.path.stat().st_size) if sample.path.exists() else 0.0

    def plan(self, samples: Sequence[Sample], batch_size: int) -> list[list[Sample]]:
        """Batches of at most `batch_size` samples. Default: in order of cost, so that padding is small."""
        order = sorted(samples, key=lambda sample: (self.cost(sample), sample.name))
        return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
