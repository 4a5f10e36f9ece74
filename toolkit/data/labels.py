"""Label files: ``.npz`` with pickled dicts ``name -> {'emo': ..., 'val': ...}``, read without ever running their code.

The format is the reference's (`numpy.savez` of dicts: 0-d object arrays). Unpickling can run any code, so these files
are read through an unpickler which knows plain containers, numbers, strings and numpy scalars/arrays, and nothing else.
"""

from __future__ import annotations

import io
import math
import pickle
import reprlib
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.utils import atomic
from toolkit.utils.errors import UserError

Labels = dict[str, dict[str, Any]]  # name -> {'emo': text or index, 'val': float}


def write_labels(path: str | Path, corpora: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Write a label file atomically in the original format; dict order is sample order.

    Args:
        path: the ``.npz`` file.
        corpora: key (``train_corpus``, ``test1_corpus``, ...) -> name -> ``{'emo': ..., 'val': ...}``.
    """
    arrays = {}
    for key, labels in corpora.items():
        arrays[key] = np.array({name: dict(label) for name, label in labels.items()}, dtype=object)
    atomic.write_with(Path(path), lambda file: np.savez_compressed(file, **arrays))


def read_labels(path: str | Path) -> dict[str, Labels]:
    """Every corpus of a label file: key -> name -> ``{'emo': ..., 'val': ...}``, in the file's order.

    Raises:
        UserError: not there, not a label file, or holding anything but plain data.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path} does not exist; make it with `./run-mer2024.sh preprocess`, or give --data_root")
    try:
        with zipfile.ZipFile(path) as archive:
            members = {
                name.removesuffix(".npy"): archive.read(name) for name in archive.namelist() if name.endswith(".npy")
            }
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{path}: not an .npz label file ({error}); make it again") from error
    return {key: _checked_labels(_read_object(data, path, key), path, key) for key, data in members.items()}


def _read_object(data: bytes, path: Path, key: str) -> Any:
    """The single object of a 0-d object ``.npy``."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = reader(stream)
        if dtype != np.dtype(object) or shape != ():
            raise UserError(f"{path}: {key} is an array {shape} of {dtype}, not a pickled dict of labels")
        value = PlainUnpickler(stream).load()
    except UserError as error:
        raise UserError(f"{path}: {key}: {error}" if str(path) not in str(error) else str(error)) from error
    except Exception as error:  # a broken pickle can raise nearly anything; nothing of it has run
        raise UserError(f"{path}: {key} cannot be read ({type(error).__name__}: {error}); make it again") from error
    # numpy pickles a 0-d object array as an ndarray whose state is a list of one
    return value.item() if isinstance(value, np.ndarray) and value.shape == () else value


def _checked_labels(value: Any, path: Path, key: str) -> Labels:
    if not isinstance(value, dict):
        raise UserError(f"{path}: {key} holds a {type(value).__name__}, not a dict name -> {{'emo', 'val'}}")
    for name, label in value.items():
        if not isinstance(name, str) or not name or "/" in name or "\0" in name:
            raise UserError(f"{path}: {key}: {_shown(name)} is not a usable sample name")
        if not isinstance(label, dict) or "emo" not in label:
            raise UserError(f"{path}: {key}: the label of {name!r} is {_shown(label)}, not a dict with 'emo' and 'val'")
        if not isinstance(label.get("val", 0), (int, float, np.number)):
            raise UserError(f"{path}: {key}: the valence of {name!r} is {_shown(label['val'])}, not a number")
    return value


def _shown(value: Any) -> str:
    try:
        return reprlib.repr(value)
    except RecursionError:
        return f"a deeply nested {type(value).__name__}"


class PlainUnpickler(pickle.Unpickler):
    """Admits plain containers, numbers, strings and numpy scalars/arrays of plain types."""

    def find_class(self, module: str, name: str) -> Any:
        found = _ALLOWED.get((module.replace("numpy.core", "numpy._core"), name))
        if found is None:
            raise UserError(f"refers to {module}.{name}: such a file must hold plain data only, so it was not read")
        return found


@dataclass
class _PlainType:
    """Stands for a `numpy.dtype` of the file; the real one would take any state (objects inside raw bytes) from it."""

    dtype: np.dtype

    def __setstate__(self, state: tuple) -> None:
        byte_order, *structure = state[1:5]  # then sizes and flags, which a plain type knows by itself
        if structure != [None, None, None]:
            raise UserError("an array of an unexpected type")
        self.dtype = self.dtype.newbyteorder(byte_order)


def _plain_type(text: Any, *_: Any) -> _PlainType:
    dtype = np.dtype(text) if isinstance(text, str) else None
    if dtype is None or dtype.kind not in "biufcSUO" or dtype.subdtype is not None:
        raise UserError(f"an array of the unexpected type {text!r}")
    return _PlainType(dtype)


class _PlainArray(np.ndarray):
    """An array that checks what it is filled with: numpy takes wrong sizes and raw bytes for objects, and crashes."""

    def __setstate__(self, state: tuple) -> None:
        version, shape, plain, fortran, data = state
        data = data.encode("latin1") if isinstance(data, str) else data  # bytes of Python 2
        dtype, size = plain.dtype, math.prod(shape)
        if min(shape, default=0) < 0 or type(data) is not (list if dtype.hasobject else bytes):
            raise UserError("a malformed numpy array")
        if len(data) != (size if dtype.hasobject else size * dtype.itemsize):
            raise UserError("a malformed numpy array")
        super().__setstate__((version, shape, dtype, bool(fortran), data))

    def __reduce__(self) -> Any:  # for worker processes: a plain array of numpy's
        return np.asarray(self).__reduce__()


def _reconstruct(subtype: Any, *_: Any) -> np.ndarray:
    """An empty array, which its state fills."""
    if subtype is not _ARRAY:
        raise UserError("an array of an unexpected type")
    return np.ndarray.__new__(_PlainArray, (0,), np.int8)


def _scalar(plain: _PlainType, data: bytes = b"") -> Any:
    good = isinstance(plain, _PlainType) and not plain.dtype.hasobject and type(data) is bytes
    if not good or len(data) != plain.dtype.itemsize:
        raise UserError("a malformed numpy scalar")
    return np.frombuffer(data, plain.dtype, count=1)[0]


def _from_buffer(data: bytes, plain: _PlainType, shape: Any, order: str) -> np.ndarray:
    if not isinstance(plain, _PlainType) or plain.dtype.hasobject or type(data) not in (bytes, bytearray):
        raise UserError("a malformed numpy array")
    return np.frombuffer(data, plain.dtype).reshape(shape, order=order)


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise UserError(f"text in the unexpected encoding {encoding!r}")
    return text.encode("latin1")


_ARRAY = object()  # what the file calls numpy.ndarray: a name for `_reconstruct`, nothing to call
_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): dict,  # a dict's methods cannot be replaced by what the file says
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "complex"): complex,
    ("_codecs", "encode"): _encode,
    ("numpy", "dtype"): _plain_type,
    ("numpy", "ndarray"): _ARRAY,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
}
