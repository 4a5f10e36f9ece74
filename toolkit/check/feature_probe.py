"""One sample of a feature folder: its form and a few numbers that tell whether it can be right."""

from __future__ import annotations

import functools
import io
import math
import os
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.check.subject import why_unreadable
from toolkit.data.features import read_feature
from toolkit.utils.errors import UserError

_HEADER_BYTES = 128  # of the .npy files that numpy writes for small shapes


@dataclass
class FeatureFacts:
    """What a feature is; without `shape` it cannot be read.

    Attributes:
        shape: (rows, width); a plain ``(D,)`` counts as one row.
        level: root mean square of all values, 0.0 when all are zero, None where it was not computed.
        digest: equal for equal values of equal form.
        faults: (code of `toolkit.check.findings.RULES`, detail).
    """

    changed: float = 0.0
    shape: tuple[int, int] | None = None
    kind: str = ""
    level: float | None = None
    digest: bytes = b""
    faults: tuple[tuple[str, str], ...] = ()


def probe_feature(path: str | os.PathLike, read: bool = True) -> FeatureFacts:
    """Look at ``<name>.npy`` or a folder of per-frame files; only at the header unless `read`."""
    path, facts = Path(path), FeatureFacts()
    try:
        facts.changed = path.stat().st_mtime
        if path.is_dir():
            rows: Any = read_feature(path.parent, path.name)
            facts.kind = "float32"
        else:
            rows = _load(path, read)
            facts.kind = str(getattr(rows, "dtype", "an archive"))
    except UserError as error:
        facts.faults = (("feature_unreadable", str(error).removeprefix(f"{path}: ")),)
        return facts
    except (ValueError, OSError, EOFError) as error:
        facts.faults = (("feature_unreadable", why_unreadable(error, path)),)
        return facts
    if not isinstance(rows, np.ndarray) or rows.dtype.kind not in "fiu":
        facts.faults = (("feature_unreadable", f"holds {facts.kind}, not numbers"),)
    elif rows.ndim not in (1, 2) or rows.size == 0:
        facts.faults = (("feature_shape", f"shape {rows.shape}"),)
    else:
        facts.shape = (1, rows.shape[0]) if rows.ndim == 1 else (rows.shape[0], rows.shape[1])
        if read:
            _measure(rows, facts)
    return facts


def _load(path: Path, read: bool) -> Any:
    """The array of a file; without `read` one of the same form whose values mean nothing.

    `numpy.load` parses the header of every file anew; nearly all files of a folder have the same one. What is not a
    plain array of numbers of exactly the right length is left to it, for its words.
    """
    with open(path, "rb", buffering=0) as file:
        start = file.read(_HEADER_BYTES)
        form = _form(start) if len(start) == _HEADER_BYTES else None
        if form is not None:
            shape, dtype = form
            size = dtype.itemsize * math.prod(shape)
            if os.fstat(file.fileno()).st_size == _HEADER_BYTES + size:
                if not read:
                    return np.broadcast_to(np.zeros((), dtype), shape)
                data = file.read(size)
                if len(data) == size:
                    return np.frombuffer(data, dtype).reshape(shape)
    return np.load(path, mmap_mode=None if read else "r", allow_pickle=False)


@functools.lru_cache(maxsize=4096)  # frame features have a header per length
def _form(start: bytes) -> tuple[tuple[int, ...], np.dtype] | None:
    """Shape and type of a version 1.0 header of `_HEADER_BYTES`; None: anything else."""
    stream = io.BytesIO(start)
    try:
        if np.lib.format.read_magic(stream) != (1, 0):
            return None
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    except (ValueError, EOFError):
        return None
    plain = stream.tell() == _HEADER_BYTES and dtype.kind in "fiu" and not (fortran and len(shape) > 1)
    return (shape, dtype) if plain else None


def _measure(rows: np.ndarray, facts: FeatureFacts) -> None:
    with np.errstate(over="ignore"):
        values = rows.astype(np.float32, copy=False)  # as readers do: what overflows there is infinite here, too
    if not np.isfinite(values).all():
        bad = int(values.size - np.isfinite(values).sum())
        facts.faults = (("feature_nan", f"{bad:,} of {values.size:,} values"),)
        return
    facts.level = float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
    facts.digest = blake2b(np.ascontiguousarray(values).tobytes(), digest_size=12).digest()
