"""Reading the variables of a CTranslate2 ``model.bin``: the format in which several packages carry Whisper.

Little endian: u32 version; string spec; u32 revision; u32 count; then per variable string name, u8 rank, rank x u32
dims, u8 dtype, u32 byte count, data; at the end u32 count of aliases, each two strings. A string is a u16 length (with
the closing zero byte) and that many bytes.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from toolkit.utils.errors import UserError

_DTYPES = {0: np.dtype("<f4"), 1: np.dtype("i1"), 2: np.dtype("<i2"), 3: np.dtype("<i4"), 4: np.dtype("<f2")}


class _Cursor:
    """Walks over the bytes of the file; every step checks that the file is long enough."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = memoryview(path.read_bytes())
        self.place = 0

    def take(self, count: int) -> memoryview:
        start, self.place = self.place, self.place + count
        if self.place > len(self.data):
            raise UserError(f"{self.path}: ends at byte {len(self.data)} inside a variable; install its package again")
        return self.data[start : self.place]

    def number(self, code: str) -> int:
        return struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))[0]

    def string(self) -> str:
        raw = bytes(self.take(self.number("H")))
        if not raw.endswith(b"\0"):
            raise UserError(f"{self.path}: not a CTranslate2 model (a name without its closing zero)")
        return raw[:-1].decode("utf-8", "replace")


def read_ctranslate2(path: Path) -> tuple[str, dict[str, np.ndarray]]:
    """The spec name (``WhisperSpec``) and all variables by name, aliases included.

    Raises:
        UserError: the file is not a CTranslate2 model, is cut short, or is longer than its header says.
    """
    cursor = _Cursor(path)
    cursor.number("I")  # format version; the layout above holds since version 4, older ones fail the checks
    spec = cursor.string()
    cursor.number("I")  # revision of the spec
    variables: dict[str, np.ndarray] = {}
    for _ in range(cursor.number("I")):
        name = cursor.string()
        shape = tuple(cursor.number("I") for _ in range(cursor.number("B")))
        variables[name] = _array(cursor, name, shape)
    for _ in range(cursor.number("I")):
        alias, target = cursor.string(), cursor.string()
        if target not in variables:
            raise UserError(f"{path}: alias {alias!r} of {target!r}, which the file does not hold")
        variables[alias] = variables[target]
    if cursor.place != len(cursor.data):
        raise UserError(
            f"{path}: {len(cursor.data) - cursor.place} bytes after its end; not a CTranslate2 model we know"
        )
    return spec, variables


def _array(cursor: _Cursor, name: str, shape: tuple[int, ...]) -> np.ndarray:
    code, size = cursor.number("B"), cursor.number("I")
    if code not in _DTYPES:
        raise UserError(f"{cursor.path}: {name} has dtype code {code}; known: {', '.join(map(str, _DTYPES))}")
    dtype = _DTYPES[code]
    count = int(np.prod(shape, dtype=np.int64))
    if count * dtype.itemsize != size:
        raise UserError(f"{cursor.path}: {name} of shape {shape} and type {dtype} says it has {size} bytes")
    return np.frombuffer(cursor.take(size), dtype, count).reshape(shape)
