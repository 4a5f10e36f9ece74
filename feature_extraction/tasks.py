"""The work on one batch of clips, as picklable tasks, and running tasks in worker processes.

`LoadBatch` reads and decodes; `ExtractBatch` also computes, with a copy of the model of the worker's own. Either way
an exception for one sample is that sample's `Failure`, and a worker that dies costs one sample at most.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from feature_extraction.contract import Extractor, Output, Sample
from feature_extraction.notes import collected_notes
from feature_extraction.visual.worker_pool import run_each
from toolkit.utils.errors import UserError
from toolkit.utils.threads import limit_threads


@dataclass(frozen=True)
class Failure:
    """Why one sample has no feature."""

    reason: str


@dataclass(frozen=True)
class Result:
    """What came of one sample: `value` is a `Failure`, a prepared input, or arrays; `notes` are remarks about it.

    `batch_notes` are remarks about its batch (on the first sample only): whose they are is not known.
    """

    value: Any
    notes: tuple[str, ...] = ()
    batch_notes: tuple[str, ...] = ()


Task = Callable[[Sequence[Sample]], list[Result]]  # one result per sample, in order


def load_batch(load: Callable[[Sample], Any], batch: Sequence[Sample]) -> list[Result]:
    """Prepared inputs of a batch."""
    results = []
    for sample in batch:
        with collected_notes() as notes:
            try:
                value = load(sample)
            except Exception as error:  # one bad clip must not stop a batch: it is listed with its reason
                value = Failure(reason(error))
        results.append(Result(value, () if isinstance(value, Failure) else tuple(notes)))
    return results


def extract_batch(extractor: Extractor, loaded: Sequence[Result], level: str) -> list[Result]:
    """The arrays to be saved, one per output, of prepared inputs: ``(D,)`` at UTTERANCE, ``(T, D)`` at FRAME.

    If the batch fails as a whole, its samples are tried one at a time.
    """
    good = [index for index, result in enumerate(loaded) if not isinstance(result.value, Failure)]
    results = list(loaded)
    try:
        results = _fill(extractor, results, good, level)
    except Exception:
        for index in good:
            try:
                results = _fill(extractor, results, [index], level)
            except Exception as error:  # alone and still failing: this sample's own failure
                results[index] = Result(Failure(reason(error)))
    return results


def _fill(extractor: Extractor, loaded: Sequence[Result], chosen: Sequence[int], level: str) -> list[Result]:
    results = list(loaded)
    if not chosen:
        return results
    with collected_notes() as notes:
        rows = extractor.extract([loaded[index].value for index in chosen])
    for index, arrays in zip(chosen, rows, strict=True):
        results[index] = Result(_checked(arrays, extractor.outputs, level), loaded[index].notes)
    first = results[chosen[0]]
    if len(chosen) == 1:
        results[chosen[0]] = replace(first, notes=first.notes + tuple(notes))
    else:
        results[chosen[0]] = replace(first, batch_notes=tuple(notes))
    return results


def _checked(arrays: Sequence[np.ndarray], outputs: Sequence[Output], level: str) -> tuple[np.ndarray, ...] | Failure:
    saved = []
    for array, output in zip(arrays, outputs, strict=True):
        array = np.asarray(array, dtype=np.float32)
        if array.ndim != 2 or array.shape[1] != output.width:
            raise ValueError(f"{output.stem}: expected an array (T, {output.width}), got {array.shape}")
        if not np.isfinite(array).all():
            return Failure(f"{output.stem}: the model gave a value that is not finite (NaN or infinity)")
        rows = array if len(array) else np.zeros((1, output.width), np.float32)
        saved.append(rows if level == "FRAME" else rows.mean(axis=0))
    return tuple(saved)


class LoadBatch:
    """Picklable task: `load` on every sample of a batch; each worker unpickles `load` once and keeps it."""

    def __init__(self, load: Callable[[Sample], Any]) -> None:
        self.pickled = pickle.dumps(load)

    def __call__(self, batch: Sequence[Sample]) -> list[Result]:
        return load_batch(_unpickled(self.pickled), batch)


class ExtractBatch:
    """Picklable task: everything about a batch, with a model of the worker's own, built at its first batch."""

    def __init__(self, replica: Callable[[], Extractor], level: str, threads: int) -> None:
        self.pickled = pickle.dumps(replica)
        self.level = level
        self.threads = threads

    def __call__(self, batch: Sequence[Sample]) -> list[Result]:
        extractor = _built(self.pickled, self.threads)  # a UserError ends the run: no copy of the model would work
        return extract_batch(extractor, load_batch(extractor.load, batch), self.level)


@functools.lru_cache(maxsize=1)
def _unpickled(pickled: bytes) -> Any:
    """Once per worker process: the object comes with every batch, and may hold a session that is slow to open."""
    return pickle.loads(pickled)


@functools.lru_cache(maxsize=1)
def _built(pickled: bytes, threads: int) -> Extractor:
    limit_threads(threads)
    extractor = pickle.loads(pickled)()
    extractor.prepare()
    return extractor


def in_workers(
    task: Task, batches: Sequence[list[Sample]], num_workers: int
) -> Iterator[tuple[list[Sample], list[Result]]]:
    """Run `task` on every batch in worker processes; yields (batch, results) as they come.

    Raises:
        UserError: raised by a task: a problem of the whole run.
    """
    yield from each_batch(lambda some: run_each(task, some, num_workers), batches)


def each_batch(
    run: Callable[[Sequence[list[Sample]]], Generator[tuple[int, Any]]], batches: Sequence[list[Sample]]
) -> Iterator[tuple[list[Sample], list[Result]]]:
    """(batch, results) of what `run` yields as ``(position, result or exception)``.

    A batch that its worker did not survive is taken apart, so that one sample at most is lost.

    Raises:
        UserError: raised by a task: a problem of the whole run.
    """
    apart: list[list[Sample]] = []
    with closing(run(batches)) as results:
        for position, result in results:
            batch = batches[position]
            if isinstance(result, UserError):
                raise result
            if not isinstance(result, Exception):
                yield batch, result
            elif len(batch) > 1:
                apart += [[sample] for sample in batch]
            else:
                yield batch, [Result(Failure(reason(result)))]
    if apart:
        yield from each_batch(run, apart)


def reason(error: Exception) -> str:
    """One line for the list of failures."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return text if name in ("SampleError", "UserError") and text else f"{name}: {text}" if text else name
