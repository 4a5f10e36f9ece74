"""What a job has written, in a form in which two runs can be compared.

Byte for byte, but for what names a time, a folder or how a reply was obtained: result files carry their time in the
name and the arguments inside (their arrays are compared, bit for bit), the leaderboard has times (its other columns
are compared), the table and the picture of scores say whether replies were asked for or found (the table's other
columns are compared; the picture must be whole).
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import zipfile
from pathlib import Path

import numpy as np

PART = re.compile(r"\.part$|\.tmp$|~$")
LOCKS = (".manifest.lock", ".claims", ".noise-info.lock")
TIME = re.compile(r"_\d{9,}\.\d+")
PASSING = {"leaderboard.csv": ("finished", "seconds", "files"), "samples.csv": ("obtained",)}  # columns that may differ
# What an unfinished run may hold in another form: tables that grow, the weights of what is the best run so far.
GROWING = ("leaderboard.csv", "noise-info.csv", ".noise-info.begun", "manifest.json", "samples.csv", "failures.csv")
PASSING_FOLDER = "/model/"

Contents = dict[str, tuple[str, ...]]  # path without times -> digests of the files of that path


def files_of(folder: Path) -> list[Path]:
    """All files below `folder`; what links lead to is not its own."""
    return sorted(Path(place) / name for place, _, names in os.walk(folder) for name in names)


def contents(folder: Path) -> Contents:
    """Digests of all files below `folder`, lock files apart."""
    found: dict[str, list[str]] = {}
    for path in files_of(folder):
        if path.name not in LOCKS and not path.is_symlink():
            found.setdefault(TIME.sub("_<time>", str(path.relative_to(folder))), []).append(_digest(path, folder))
    return {name: tuple(sorted(digests)) for name, digests in found.items()}


def _digest(path: Path, folder: Path) -> str:
    try:
        if path.suffix == ".npz":
            data = _arrays(path)
        elif path.name in PASSING:
            data = _rows(path.read_text(encoding="utf-8"), PASSING[path.name], folder)
        elif path.name == "scores.png":
            data = b"whole" if path.read_bytes().endswith(b"IEND\xaeB`\x82") else b"cut"
        elif path.suffix == ".json":
            data = path.read_bytes().replace(str(folder).encode(), b"<folder>")
        else:
            data = path.read_bytes()
    except Exception as error:
        return f"unreadable ({type(error).__name__}: {error})"
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _arrays(path: Path) -> bytes:
    """Names, types, shapes and bytes of all arrays but those of objects (the arguments)."""
    with zipfile.ZipFile(path) as archive:
        broken = archive.testzip()
    if broken:
        raise ValueError(f"{broken} is damaged")
    whole = hashlib.blake2b()
    with np.load(path, allow_pickle=False) as arrays:
        for name in sorted(set(arrays.files) - {"args"}):
            array = arrays[name]
            whole.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return whole.digest()


def _rows(text: str, passing: tuple[str, ...], folder: Path) -> bytes:
    """The rows of a csv in sorted order without some columns."""
    rows = [
        {key: value for key, value in row.items() if key not in passing}
        for row in csv.DictReader(io.StringIO(text.replace(str(folder), "<folder>")))
    ]
    return "\n".join(sorted(json.dumps(row, sort_keys=True) for row in rows)).encode()


def differences(found: Contents, expected: Contents) -> list[str]:
    """What is missing, too much or different, in words."""
    lines = [f"missing: {name}" for name in sorted(expected.keys() - found.keys())]
    lines += [f"not expected: {name}" for name in sorted(found.keys() - expected.keys())]
    for name in sorted(found.keys() & expected.keys()):
        if set(found[name]) == set(expected[name]) and len(found[name]) != len(expected[name]):
            lines.append(f"{len(found[name])} files in place of {len(expected[name])}: {name}")
        elif found[name] != expected[name]:
            lines.append(f"different: {name}")
    return lines


def half_written(found: Contents, expected: Contents) -> list[str]:
    """Files of an unfinished run that are not what they will be; tables that grow are not looked into."""
    return [
        f"half written: {name}"
        for name in sorted(found)
        if not PART.search(name)
        and not name.endswith(GROWING)
        and PASSING_FOLDER not in name
        and not set(found[name]) <= set(expected.get(name, ()))
    ]


def temporary_files(folder: Path) -> list[str]:
    """Names of part files."""
    return [f"left: {path.relative_to(folder)}" for path in files_of(folder) if PART.search(path.name)]
