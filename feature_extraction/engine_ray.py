"""``--engine ray``: extraction by workers of a Ray cluster, each of which loads the model once.

This process plans the batches as it does without Ray, hands them out, the most costly first, as workers become free,
and saves what comes back (`save_loop.py`): files, manifest and failures are those of the engine `local`.
"""

from __future__ import annotations

import argparse
import pickle
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from feature_extraction.contract import Extractor, Sample, SampleError
from feature_extraction.policy import cores, weight_bytes
from feature_extraction.tasks import Result, each_batch, extract_batch, load_batch
from toolkit.utils.errors import UserError
from toolkit.utils.ray_cluster import ray_cluster
from toolkit.utils.ray_engine import RayOptions
from toolkit.utils.ray_pool import RayPool, WorkerDied, room

Batches = Sequence[list[Sample]]


@dataclass(frozen=True)
class RayExtraction:
    """The `Engine` of a run.

    Attributes:
        args: the script's, of which `build` reads ``gpu`` when it is called: so it can be told another device.
        build: the script's function that builds the extractor; goes to the workers by value, together with `args`.
    """

    options: RayOptions
    args: argparse.Namespace
    build: Callable[[], Extractor]

    def __call__(
        self, extractor: Extractor, batches: Batches, level: str
    ) -> Generator[tuple[list[Sample], list[Result]]]:
        """(batch, results) of all batches, as they come.

        Raises:
            UserError: no Ray, no room for a worker, or the model cannot be used.
        """
        with ray_cluster(self.options) as ray:
            memory = 2 * weight_bytes(extractor.weights)  # twice: while loading
            count, needs = room(ray, self.options, _threads(self.options), self.args.gpu >= 0, memory)
            make = MakeWork(self._pickled(), needs.gpus > 0, level, _identity(extractor))
            # on a GPU a batch is read while another one is computed
            with RayPool(ray, make, min(count, len(batches)), needs, at_once=2 if needs.gpus else 1) as pool:
                yield from each_batch(lambda some: _named(pool, some), batches)

    def _pickled(self) -> bytes:
        from ray import cloudpickle  # takes functions that are defined in a script, too

        return cloudpickle.dumps((self.args, self.build))


def _threads(options: RayOptions) -> int:
    """CPU cores of each worker: one, or on this machine alone as many as there are for so many workers."""
    if options.address is not None or options.workers is None:
        return 1
    return max(1, cores() // options.workers)


def _named(pool: RayPool, batches: Batches) -> Generator[tuple[int, Any]]:
    for position, result in pool.each(batches):
        yield position, SampleError(str(result)) if isinstance(result, WorkerDied) else result


def _identity(extractor: Extractor) -> tuple:
    return extractor.outputs, extractor.formula, extractor.dtype


@dataclass(frozen=True)
class MakeWork:
    """Builds the extractor in a worker, loads its model, and gives the function that extracts a batch."""

    pickled: bytes
    on_gpu: bool
    level: str
    identity: tuple

    def __call__(self) -> BatchWork:
        """Raises `UserError` when the model cannot be used, or is not what the driver's is."""
        args, build = pickle.loads(self.pickled)
        args.gpu, args.strict_gpu = (0, True) if self.on_gpu else (-1, False)  # Ray shows a worker its own GPUs only
        extractor = build()
        if extractor.dtype is None:
            extractor.dtype = args.dtype
        found = _identity(extractor)
        if found != self.identity:
            pairs = zip(("outputs", "formula", "dtype"), self.identity, found, strict=True)
            told = "; ".join(f"{name} {there} instead of {here}" for name, here, there in pairs if here != there)
            raise UserError(f"a Ray worker would compute with {told}: give --dtype, and the same files to all machines")
        extractor.prepare()
        return BatchWork(extractor, self.level)


class BatchWork:
    """Batch -> results. Called by two threads, one reads while the other computes."""

    def __init__(self, extractor: Extractor, level: str) -> None:
        self._extractor, self._level = extractor, level
        self._reading, self._computing = threading.Lock(), threading.Lock()

    def __call__(self, batch: list[Sample]) -> list[Result]:
        with self._reading:
            loaded = load_batch(self._extractor.load, batch)
        with self._computing:
            return extract_batch(self._extractor, loaded, self._level)
