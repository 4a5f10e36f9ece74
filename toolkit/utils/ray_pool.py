"""Workers of a Ray cluster that keep what they have loaded: given work as they become free, replaced when they die.

A worker has a few items at a time (no queue of 100,000), the first items of the list go first: put the most costly
there. What was under way on a worker that died is tried once more, one at a time, so that what kills a worker is known.
"""

from __future__ import annotations

import collections
import contextlib
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from toolkit.utils.errors import UserError
from toolkit.utils.ray_engine import RayOptions
from toolkit.utils.ray_worker import RemoteWorker, Work

Entry = tuple[int, Any]  # position in the list of items, item
MAX_FAILED_STARTS = 3  # in a row
PATIENCE = 60.0  # seconds without a worker until the user is told


class WorkerDied(Exception):
    """An item whose worker died twice."""


@dataclass(frozen=True)
class Needs:
    """What every worker reserves: CPU cores (which are its threads, too), GPUs, bytes of memory."""

    cpus: int = 1
    gpus: float = 0.0
    memory: int = 0

    def __str__(self) -> str:
        parts = [f"{self.cpus} CPU"] + [f"{self.gpus:g} GPU"] * bool(self.gpus)
        return " + ".join(parts + [f"{self.memory / 2**30:.1f} GB of memory"] * bool(self.memory))


class _Waiting:
    """Items not handed out yet; the next one is asked for when it is wanted."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items: Iterator[Entry] = enumerate(items)
        self._next: Entry | None = None

    def is_empty(self) -> bool:
        if self._next is None:
            self._next = next(self._items, None)
        return self._next is None

    def take(self) -> Entry:
        entry, self._next = self._next, None
        return entry


@dataclass
class _Slot:
    """A place for a worker: the one that is there now, whether it has started, and what it has to do."""

    actor: Any = None
    starting: Any = None  # the promise of its start
    flying: dict[Any, Entry] = field(default_factory=dict)
    alone: bool = False  # it works on an item that has lost a worker already


class RayPool:
    """A context manager: workers that start with it and end with it.

    Args:
        ray: as `ray_cluster` yields it.
        make: builds the function that does the work, once in each worker; sent by value.
        count: workers; those that the cluster has no room for (yet) are done without.
        needs: what each of them reserves.
        at_once: items that a worker has under way (threads); the function must bear it.
        ahead: further items that wait at each worker, so that it has no break between two of them.
    """

    def __init__(
        self,
        ray: ModuleType,
        make: Callable[[], Work],
        count: int,
        needs: Needs | None = None,
        at_once: int = 1,
        ahead: int = 1,
    ) -> None:
        self._ray, self._needs, self._at_once, self._most = ray, needs or Needs(), at_once, at_once + ahead
        self._make = ray.put(make)
        self._slots = [_Slot() for _ in range(count)]
        self._failed_starts = 0

    def __enter__(self) -> RayPool:
        for slot in self._slots:
            self._begin(slot)
        return self

    def __exit__(self, *_: object) -> None:
        for slot in self._slots:
            self._end(slot)

    def each(self, items: Iterable[Any]) -> Generator[tuple[int, Any]]:
        """Yields ``(position, result)`` as they come, the exception in place of the result where the work raised.

        `items` is asked for the next one when a worker is free. An item that two workers did not survive has
        `WorkerDied` for its result.

        Raises:
            UserError: no worker can be started.
        """
        waiting = _Waiting(items)
        suspects: collections.deque[Entry] = collections.deque()
        while True:
            for slot in self._slots:
                self._hand_out(slot, waiting, suspects)
            flying = {ref: slot for slot in self._slots for ref in slot.flying}
            if not flying and not suspects and waiting.is_empty():
                return
            starting = {slot.starting: slot for slot in self._slots if slot.starting is not None}
            for ref in self._next([*flying, *starting]):
                if ref in starting:
                    self._started(starting[ref])
                else:
                    yield from self._finished(flying[ref], ref, suspects)

    def _next(self, refs: list[Any]) -> list[Any]:
        """The promise that is kept next, in a list."""
        told = False
        while True:
            done, _ = self._ray.wait(refs, num_returns=1, timeout=PATIENCE)
            if done:
                return done
            if not told and not any(slot.actor is not None and slot.starting is None for slot in self._slots):
                _say(f"waiting for the cluster: a worker needs {self._needs}; it has {_resources(self._ray)}")
                told = True

    def _begin(self, slot: _Slot) -> None:
        options: dict[str, Any] = {"num_cpus": self._needs.cpus, "num_gpus": self._needs.gpus, "max_restarts": 0}
        if self._needs.memory:
            options["memory"] = self._needs.memory
        remote = self._ray.remote(RemoteWorker).options(max_concurrency=self._at_once, **options)
        slot.actor = remote.remote(self._make, self._needs.cpus, os.getcwd())
        slot.starting, slot.flying, slot.alone = slot.actor.start.remote(), {}, False

    def _end(self, slot: _Slot) -> None:
        if slot.actor is not None:
            with contextlib.suppress(Exception):  # it is gone, or the cluster is
                self._ray.kill(slot.actor)
        slot.actor, slot.starting, slot.flying = None, None, {}

    def _started(self, slot: _Slot) -> None:
        try:
            good, error = self._ray.get(slot.starting)
        except self._ray.exceptions.RayTaskError as error:
            raise UserError(f"Ray's workers do not start: {_last_words(error)}") from error
        except self._ray.exceptions.RayError as lost:
            self._failed_starts += 1
            if self._failed_starts >= MAX_FAILED_STARTS:
                raise UserError(f"Ray's workers die while they start: {_last_words(lost)}") from lost
            self._end(slot)
            self._begin(slot)
            return
        if not good:
            raise error
        slot.starting, self._failed_starts = None, 0

    def _hand_out(self, slot: _Slot, waiting: _Waiting, suspects: collections.deque[Entry]) -> None:
        if slot.starting is not None or slot.actor is None or slot.alone:
            return
        if suspects:  # for a worker that has nothing else
            if not slot.flying:
                self._send(slot, suspects.popleft())
                slot.alone = True
            return
        while len(slot.flying) < self._most and not waiting.is_empty():
            self._send(slot, waiting.take())

    def _send(self, slot: _Slot, entry: Entry) -> None:
        slot.flying[slot.actor.work.remote(entry[1])] = entry

    def _finished(self, slot: _Slot, ref: Any, suspects: collections.deque[Entry]) -> Iterator[tuple[int, Any]]:
        if ref not in slot.flying:  # its worker died on another item a moment ago
            return
        try:
            _, value = self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as error:  # the worker lives; the item could not be sent, say
            value = RuntimeError(_last_words(error))
        except self._ray.exceptions.RayError:
            lost, alone = list(slot.flying.values()), slot.alone
            self._end(slot)
            self._begin(slot)
            if alone:
                yield lost[0][0], WorkerDied("the worker process died on it (out of memory, or a crash while decoding)")
                return
            _say(f"a Ray worker died; a new one is started, and its work ({len(lost)}) is done again")
            suspects.extend(lost)
            return
        position = slot.flying.pop(ref)[0]
        slot.alone = False
        yield position, value


def room(ray: ModuleType, options: RayOptions, wanted_cpus: int, use_gpus: bool, memory: int = 0) -> tuple[int, Needs]:
    """How many workers, and what each reserves, by the user's word or by what the cluster has.

    Args:
        wanted_cpus: of each worker.
        use_gpus: False: none, whatever the cluster has.

    Raises:
        UserError: a cluster that has no place for one worker.
    """
    has = ray.cluster_resources()
    gpus = options.gpus
    if gpus is None:
        gpus = 1.0 if use_gpus and has.get("GPU") else 0.0
    if options.address is None:  # a machine that is too small for two copies of a model still gets one
        memory = min(memory, int(has.get("memory", memory)))
    needs = Needs(wanted_cpus, gpus, memory)
    cpus = int(has.get("CPU", 0)) // wanted_cpus
    fit = min(cpus, int(has.get("GPU", 0) / gpus)) if gpus else cpus
    if memory:
        fit = min(fit, int(has.get("memory", 0) // memory))
    if fit < 1 and options.address is None:
        raise UserError(f"no room for a Ray worker, which needs {needs}; this machine offers {_resources(ray)}")
    return options.workers or max(1, fit), needs


def _say(text: str) -> None:
    print(f"\n{text}", file=sys.stderr, flush=True)  # below the progress bar


def _last_words(error: Exception) -> str:
    return " ".join(str(error).split())[-500:]


def _resources(ray: ModuleType) -> str:
    has = ray.cluster_resources()
    return f"{has.get('CPU', 0):g} CPU, {has.get('GPU', 0):g} GPU, {has.get('memory', 0) / 2**30:.1f} GB of memory"
