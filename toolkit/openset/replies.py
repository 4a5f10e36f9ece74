"""Saved chat replies: ``<name>.npy``, each a 0-d string array, in a folder or a zip of it (the baseline's format)."""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from toolkit.utils import atomic
from toolkit.utils.errors import UserError

MAX_BYTES = 1 << 20  # a reply of 1,000 tokens has some 10 kB; anything of this size is no reply


@dataclass
class Replies:
    """Texts per name that were found, and notes on what was passed over."""

    texts: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ReplyStore:
    """Where replies are read, and where new ones are saved: a folder, or a zip with the folder of its name beside it.

    A reply in the folder wins over one in the zip; nothing of a zip is ever unpacked to disk.
    """

    folder: Path
    archive: Path | None = None

    def __str__(self) -> str:
        return str(self.archive or self.folder)

    @classmethod
    def at(cls, root: Path) -> ReplyStore:
        """The store at `root`; a folder that does not exist is read from the zip of its name, if there is one.

        Raises:
            UserError: `root` is a file and no zip, or a zip that does not exist.
        """
        if root.suffix.lower() == ".zip":
            if not root.is_file():
                raise UserError(f"--synonym_root {root}: no such zip")
            return cls(root.with_suffix(""), root)
        if root.exists() and not root.is_dir():
            raise UserError(f"--synonym_root {root}: neither a folder nor a .zip")
        beside = root.with_name(root.name + ".zip")
        return cls(root, beside if not root.exists() and beside.is_file() else None)

    def of_pass(self, number: int) -> ReplyStore:
        """The store of pass `number` (1 is this one): ``<folder>-2``, ``<folder>-3``, ... beside it."""
        return self if number == 1 else ReplyStore.at(self.folder.with_name(f"{self.folder.name}-{number}"))

    def load(self, names: Collection[str]) -> Replies:
        """The saved replies of `names`.

        Raises:
            UserError: the zip cannot be read.
        """
        found = Replies()
        if self.archive is not None:
            _load_zip(self.archive, names, found)
        if self.folder.is_dir():
            _load_folder(self.folder, names, found)
        return found

    def save(self, name: str, reply: str) -> None:
        """Save one reply in the folder; it appears whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        atomic.save_npy(self.folder / f"{name}.npy", np.array(reply))


def default_root(gt_csv: Path) -> Path:
    """``openset-synonym`` beside the true labels, where the baseline keeps them."""
    return gt_csv.parent / "openset-synonym"


def read_reply(data: bytes) -> str:
    """The text of one ``.npy`` file; no pickle, and nothing but one string, is admitted.

    Raises:
        ValueError: anything else.
    """
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if dtype.kind not in "US" or shape not in ((), (1,)) or dtype.itemsize > 4 * MAX_BYTES:
        raise ValueError(f"holds {dtype} of shape {shape}, not one text")
    file.seek(0)
    value = np.load(file, allow_pickle=False).reshape(()).item()
    return value.decode("utf-8") if isinstance(value, bytes) else value


def _load_folder(folder: Path, names: Collection[str], found: Replies) -> None:
    wanted = set(names)
    foreign = 0
    for entry in os.scandir(folder):
        stem, suffix = os.path.splitext(entry.name)
        if suffix != ".npy" or stem not in wanted or not entry.is_file():
            foreign += not entry.name.startswith(".")
        elif entry.stat().st_size > 4 * MAX_BYTES:
            found.notes.append(f"{entry.path}: too large for a reply, passed over")
        else:
            _add(found, stem, Path(entry.path).read_bytes(), entry.path)
    if foreign:
        found.notes.append(f"{folder}: {foreign} other file(s) passed over")


def _load_zip(archive: Path, names: Collection[str], found: Replies) -> None:
    try:
        with zipfile.ZipFile(archive) as file:
            inside, notes = _members(file, set(names))
            found.notes.extend(f"{archive}: {note}" for note in notes)
            for name, member in inside.items():
                try:
                    data = file.read(member)
                except (RuntimeError, zipfile.BadZipFile, NotImplementedError, EOFError) as error:
                    found.notes.append(f"{archive}: {member.filename} passed over ({error})")
                    continue
                _add(found, name, data, f"{archive}: {member.filename}")
    except (zipfile.BadZipFile, EOFError) as error:
        raise UserError(f"{archive}: not a readable zip ({error}); download or pack it again") from error


def _members(file: zipfile.ZipFile, wanted: set[str]) -> tuple[dict[str, zipfile.ZipInfo], list[str]]:
    """The members that are replies of `wanted`, all of one folder of the zip, and notes on the others."""
    folders: dict[str, dict[str, zipfile.ZipInfo]] = {}
    passed_over: Counter[str] = Counter()
    for member in file.infolist():
        path = PurePosixPath(member.filename)
        if member.is_dir():
            continue
        if _leads_outside(member.filename):
            passed_over["path leads out of the zip"] += 1
        elif path.suffix != ".npy" or path.stem not in wanted or path.parts[0] == "__MACOSX":
            passed_over["no reply of these samples"] += 1
        elif member.file_size > 4 * MAX_BYTES:
            passed_over["too large for a reply"] += 1
        else:
            folders.setdefault(str(path.parent), {})[path.stem] = member
    best = max(folders, key=lambda folder: len(folders[folder]), default="")
    for folder, members in folders.items():
        if folder != best:
            passed_over[f"in another folder, {folder}"] += len(members)
    return folders.get(best, {}), [f"{count} file(s) passed over: {why}" for why, count in passed_over.items()]


def _leads_outside(path: str) -> bool:
    """Absolute paths, climbing ones, and those of Windows."""
    parts = path.split("/")
    return not parts[0] or ".." in parts or "\\" in path or re.match(r"[A-Za-z]:$", parts[0]) is not None


def _add(found: Replies, name: str, data: bytes, place: str) -> None:
    try:
        found.texts[name] = read_reply(data)
    except (ValueError, EOFError, OSError, SyntaxError) as error:
        found.notes.append(f"{place} passed over: {str(error).splitlines()[0]}")
