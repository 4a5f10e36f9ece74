"""How a run uses a CPU: so many copies of the model, each with so many threads.

Measured on 2 cores (`benchmarks/extraction.py`): speech encoders gain nothing from batches on a CPU in float32, and two
one-thread copies do more than one copy with two threads. The choice depends on the whole list of clips, not on what is
left of it, so that a resumed run computes exactly as the first one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from feature_extraction.contract import Extractor, Sample

MAX_COPIES = 16
SPARE_BYTES = 1 << 30  # what a copy needs besides its weights: libraries, sound, hidden states


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def model_copies(extractor: Extractor, samples: Sequence[Sample], requested: int | None) -> int:
    """How many processes hold a copy of the model; 1: the model runs in this process, with all threads.

    `requested` is the user's number; None leaves the choice to this rule: one per core where the extractor can be
    copied, the work pays for loading the copies, and the memory holds them.
    """
    if extractor.replica is None:
        return 1
    if requested is not None:
        return max(1, requested)
    if sum(extractor.cost(sample) for sample in samples) < extractor.replica_pays:
        return 1
    room = _memory() // (2 * weight_bytes(extractor.weights) + SPARE_BYTES)  # twice: while loading
    return max(1, min(cores(), MAX_COPIES, room))


def threads_per_copy(copies: int) -> int:
    """Threads of each copy, so that all cores are used once."""
    return max(1, cores() // copies)


def weight_bytes(place: Path | None) -> int:
    """Size of the largest set of weights in a folder (some hold the same weights in two formats), or of a file."""
    if place is None or not place.exists():
        return 0
    if place.is_file():
        return place.stat().st_size
    kinds = (".safetensors", ".bin")
    return max(sum(path.stat().st_size for path in place.glob(f"*{kind}")) for kind in kinds)


def _memory() -> int:
    """Bytes of memory that the machine has, or the container may use."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 8 << 30
    for limit in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        try:
            total = min(total, int(limit.read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return total
