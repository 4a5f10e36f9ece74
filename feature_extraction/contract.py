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
- `Extractor.prepare` loads the model, once, before the first `extract`; where everything is done it is never called.
- What a user should know about clips without being stopped by it (resampled, cut, silent) goes through
  `feature_extraction.notes.note`, from `load` or `extract`: it is counted and told once per run.
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
        formula: how a row is computed, one line; part of the feature folder's identity (`manifest.py`).
        weights: the file or folder of the model's weights, which the manifest fingerprints; None: an installed package.
        dtype: what the model computes in ("float32", ...); None: what the command line says.
        replica: picklable function that builds the same extractor in a worker process, or None. On a CPU several
            one-thread copies of a model are faster than one with many threads (`policy.py`); the values must not
            depend on it.
        replica_pays: total `cost` of a run from which loading those copies pays.
        default_workers: processes that `load` ahead when the user names no number.
    """

    modality: ClassVar[str]
    outputs: tuple[Output, ...]
    load: Callable[[Sample], Any]
    formula: str = ""
    weights: Path | None = None
    dtype: str | None = None
    replica: Callable[[], Extractor] | None = None
    replica_pays: float = 0.0
    default_workers: int = 0

    def prepare(self) -> None:  # noqa: B027  (optional: nothing to load is the usual case)
        """Load what `extract` needs; raises `UserError` when the model cannot be used."""

    @abc.abstractmethod
    def extract(self, batch: Sequence[Any]) -> list[tuple[np.ndarray, ...]]:
        """Features of prepared samples: per sample a tuple with one ``(T, D)`` float32 array per output."""

    def cost(self, sample: Sample) -> float:
        """A cheap estimate of the sample's size (bytes, characters), used to put samples of like size together."""
        if sample.path is None:
            return float(len(sample.text))
        try:
            return float(sample.path.stat().st_size)
        except OSError:
            return 0.0

    def plan(self, samples: Sequence[Sample], batch_size: int, budget: float | None = None) -> list[list[Sample]]:
        """Batches of at most `batch_size` samples, the most costly first (out of memory shows at once, not at the end).

        Samples of like cost share a batch, so that padding is small. With a `budget`, in the unit of `cost`, a batch
        holds no more than it after padding to its largest member (a sample that is larger by itself goes alone).
        """
        return batches_of(samples, self.cost, batch_size, budget)


def batches_of(
    samples: Sequence[Sample], cost: Callable[[Sample], float], batch_size: int, budget: float | None = None
) -> list[list[Sample]]:
    """The default `Extractor.plan`, with any measure of cost."""
    priced = sorted(
        ((cost(sample), sample.name, sample) for sample in samples), key=lambda entry: (-entry[0], entry[1])
    )
    batches: list[list[Sample]] = []
    room = 0  # how many more samples the newest batch takes
    for price, _, sample in priced:
        if room == 0:
            batches.append([])
            room = batch_size if budget is None or price <= 0 else max(1, min(batch_size, int(budget // price)))
        batches[-1].append(sample)
        room -= 1
    return batches
