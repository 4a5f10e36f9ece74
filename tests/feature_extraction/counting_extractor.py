"""A tiny extractor with a hand-checkable formula, used by test_save_loop.py and by the processes that it starts.

A sample's file is a JSON list of numbers v, or "bad" (cannot be read), "poison" (breaks the batch), "kill" (the process
that reads it dies), "sleep" (that process leaves its number beside the file and sleeps); output k is the array with row
t = v[t] * (k + 1) * (1, 2, 3).
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from feature_extraction.contract import Extractor, Output, Sample, SampleError
from feature_extraction.notes import note
from feature_extraction.save_loop import run_extraction
from toolkit.utils import atomic
from toolkit.utils.errors import UserError

POISON = -999.0  # a value that makes `extract` fail for the whole batch
SCALES = np.array([1.0, 2.0, 3.0], np.float32)


def read_values(sample: Sample) -> np.ndarray:
    values = json.loads(sample.path.read_text())
    if values == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if values == "sleep":
        (sample.path.parent / str(os.getpid())).touch()
        time.sleep(600)
    if values == "bad":
        raise SampleError(f"{sample.path}:   two\nlines")
    if values == "poison":
        values = [POISON]
    return np.asarray(values, np.float32)


class CountingExtractor(Extractor):
    modality = "audio"

    def __init__(self, *stems: str) -> None:
        self.outputs = tuple(Output(stem, 3) for stem in stems or ("count",))
        self.load = read_values
        self.replica = functools.partial(type(self), *stems)
        self.seen: list[int] = []  # batch sizes

    def extract(self, batch):
        self.seen.append(len(batch))
        if any(POISON in values for values in batch):
            raise RuntimeError("out of luck")
        outputs = range(1, len(self.outputs) + 1)
        return [tuple(values[:, None] * SCALES * np.float32(k) for k in outputs) for values in batch]


class Weightless(CountingExtractor):
    """Cannot load its model."""

    def prepare(self) -> None:
        raise UserError("no weights")


class Remarking(CountingExtractor):
    """Remarks on loud clips while loading, and once per batch."""

    def __init__(self, *stems: str) -> None:
        super().__init__(*stems)
        self.load = read_remarking

    def extract(self, batch):
        note("batch")
        return super().extract(batch)


def read_remarking(sample: Sample) -> np.ndarray:
    values = read_values(sample)
    if values.max() > 100:
        note("loud")
    return values


def samples_in(folder: Path) -> list[Sample]:
    return [Sample(path.name[: -len(".json")], path) for path in sorted(folder.glob("*.json"))]


def main(folder: str, features: str, writes: str) -> None:
    """Extract, and die by SIGKILL in the middle of the write number `writes`; "copies": use two copies instead."""
    if writes == "copies":
        run_extraction(CountingExtractor(), samples_in(Path(folder)), Path(features), "UTTERANCE", num_procs=2)
        return
    save, left = np.save, [int(writes)]

    def dying_save(file, array, **options):
        left[0] -= 1
        if left[0]:
            return save(file, array, **options)
        save(file, array[: len(array) // 2], **options)
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    atomic.np.save = dying_save
    run_extraction(CountingExtractor("count"), samples_in(Path(folder)), Path(features), "FRAME", batch_size=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
