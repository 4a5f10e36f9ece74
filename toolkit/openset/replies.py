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

MAX_BYTES = 1 << 22  # of a file; a reply of 1,000 tokens has some 10 kB, anything of this size is no reply
MAX_CHARACTERS = MAX_BYTES // 4 - 256  # numpy writes 4 bytes for each, below a header


@dataclass
class Replies:
    """Texts per name that were found, and notes on what was passed over."""

    texts: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ReplyStore:
    """Where replies are read, and where new ones are saved: a folder and the zip of its name beside it.

    Both are read if both are there, however the store was named. A reply in the folder wins over one in the zip;
    nothing of a zip is ever unpacked to disk.
    """

    folder: Path
    archive: Path | None = None

    def __str__(self) -> str:
        if self.archive is not None and self.folder.is_dir():
            return f"{self.folder} and {self.archive}"
        return str(self.archive or self.folder)

    @classmethod
    def at(cls, root: Path) -> ReplyStore:
        """The store at `root`, which names the folder or the zip.

        Raises:
            UserError: `root` is a file and no zip, or a zip that does not exist.
        """
        archive: Path | None = root
        if root.suffix.lower() == ".zip" and not root.is_dir():
            if not root.is_file():
                raise UserError(f"--synonym_root {root}: no such zip")
            folder = root.with_suffix("")
        else:
            folder = root
            archive = next((path for ending in (".zip", ".ZIP") if (path := beside(root, ending)).is_file()), None)
        if not folder.is_dir() and (folder.exists() or folder.is_symlink()):
            raise UserError(f"--synonym_root {folder}: neither a folder nor a .zip")
        return cls(folder, archive)

    @property
    def exists(self) -> bool:
        """Whether anything is there to be read."""
        return self.archive is not None or self.folder.is_dir()

    def of_pass(self, number: int) -> ReplyStore:
        """The store of pass `number` (1 is this one): ``<folder>.pass2``, ``<folder>.pass3``, ... beside it."""
        return self if number == 1 else ReplyStore.at(beside(self.folder, f".pass{number}"))

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


def beside(path: Path, ending: str) -> Path:
    """The path with `ending` after its name."""
    return path.with_name(path.name + ending)


def default_root(gt_csv: Path) -> Path:
    """``openset-synonym`` beside the true labels, where the baseline keeps them."""
    return gt_csv.parent / "openset-synonym"


def read_reply(data: bytes) -> str:
    """The text of one ``.npy`` file; no pickle, and nothing but one string, is admitted.

    Raises:
        ValueError: anything else.
    """
    try:
        return _read_text(data)
    except Exception as error:  # numpy parses the header as Python, which fails in many ways (TokenError, MemoryError)
        reason = str(error) or type(error).__name__
        raise ValueError(reason.splitlines()[0]) from error


def _read_text(data: bytes) -> str:
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if dtype.kind not in "US" or shape not in ((), (1,)) or dtype.itemsize > MAX_BYTES:
        raise ValueError(f"holds {dtype} of shape {shape}, not one text")
    file.seek(0)
    value = np.load(file, allow_pickle=False).reshape(()).item()
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return value.encode("utf-8", "replace").decode("utf-8")  # half a character could not be printed or written


def _load_folder(folder: Path, names: Collection[str], found: Replies) -> None:
    wanted = set(names)
    foreign = 0
    for entry in os.scandir(folder):
        stem, suffix = os.path.splitext(entry.name)
        try:
            if suffix != ".npy" or stem not in wanted or not entry.is_file():
                foreign += not entry.name.startswith(".")
            elif entry.stat().st_size > MAX_BYTES:
                found.notes.append(f"{entry.path}: too large for a reply, passed over")
            else:
                _add(found, stem, Path(entry.path).read_bytes(), entry.path)
        except OSError as error:  # a link to itself, a file that may not be read
            found.notes.append(f"{entry.path} passed over: {error.strerror or error}")
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
                except Exception as error:  # whatever the readers of the compressed forms raise
                    found.notes.append(f"{archive}: {member.filename} passed over ({error or type(error).__name__})")
                    continue
                _add(found, name, data, f"{archive}: {member.filename}")
    except Exception as error:  # a damaged directory: bad numbers, names, offsets
        reason = str(error) or type(error).__name__
        raise UserError(f"{archive}: not a readable zip ({reason}); download or pack it again") from error


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
        elif member.file_size > MAX_BYTES:
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
    except ValueError as error:
        found.notes.append(f"{place} passed over: {error}")
