"""The resume scan: which samples of a feature folder are finished. Quick, because it runs at every start."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from feature_extraction.contract import Output

HEADER_BYTES = 128  # of the .npy files that numpy writes for small shapes
_HEADER = re.compile(rb"\{'descr': '<f4', 'fortran_order': False, 'shape': \(([0-9, ]+)\), \} *\n")


def finished_names(folders: Sequence[Path], outputs: Sequence[Output], level: str) -> set[str]:
    """Names whose file is whole, and of the right width, in every folder; 100,000 files take a few seconds."""
    names: set[str] | None = None
    for folder, output in zip(folders, outputs, strict=True):
        found = whole_names(folder, output.width, level)
        names = found if names is None else names & found
    return names or set()


def whole_names(folder: Path, width: int, level: str) -> set[str]:
    """Names of the whole files of one folder."""
    utterance = HEADER_BYTES + 4 * width if level == "UTTERANCE" else -1  # a file of this size is whole: see below
    return {
        entry.name[: -len(".npy")]
        for entry in npy_files(folder)
        if entry.stat().st_size == utterance or _is_whole(entry.path, width)
    }


def npy_files(folder: Path) -> list[os.DirEntry]:
    """The visible ``.npy`` files of `folder`; none when it does not exist."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.name.endswith(".npy") and not entry.name.startswith(".")]
    except FileNotFoundError:
        return []


def _is_whole(path: str, width: int) -> bool:
    """The header is readable, names rows of `width`, and the file is as long as it says."""
    try:
        with open(path, "rb", buffering=0) as file:
            header = file.read(HEADER_BYTES)
            size = os.fstat(file.fileno()).st_size
    except OSError:
        return False
    match = _HEADER.fullmatch(header[10:])  # after magic, version and length
    if match is None:
        return _is_whole_slowly(path, width)
    shape = [int(part) for part in match[1].split(b",") if part.strip()]
    values = int(np.prod(shape))
    return len(shape) in (1, 2) and values > 0 and shape[-1] == width and size == HEADER_BYTES + 4 * values


def _is_whole_slowly(path: str, width: int) -> bool:
    """The same by numpy's own reader, for files of other types or from other programs."""
    try:
        array = np.lib.format.open_memmap(path, mode="r")  # np.load would open a zip of that name, too
    except (ValueError, OSError, EOFError):
        return False
    return array.ndim in (1, 2) and array.size > 0 and array.shape[-1] == width
