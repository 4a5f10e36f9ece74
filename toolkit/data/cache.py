"""The packed feature cache: every feature folder is read file by file once, afterwards from one file.

The cache of ``<features_root>/<folder>`` is ``<features_root>/.packed/<folder>.npy``, or below ``MER_CACHE`` when that
is set (``MER_CACHE=none``: no cache). It can be deleted at any time; any change of any file in the folder renews it.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
import sys
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np

from toolkit.data.features import read_feature
from toolkit.data.listing import fingerprints, scan_folder, settled_listing
from toolkit.data.packing import HEADER_BYTES, MAGIC, TRAILER, npy_header, write_packed
from toolkit.utils import atomic
from toolkit.utils.progress import progress_bar

WORTH_PACKING = 50  # a folder is packed when at least 1 sample in 50 is asked for
WORTH_CHILDREN = 2000  # samples from which folders are listed by child processes, which take 20 ms to start


class PlainFolder:
    """A feature folder read file by file."""

    def __init__(self, folder: Path, width: int, num_workers: int = 0) -> None:
        self.folder, self.width, self.num_workers = folder, width, num_workers

    def rows(self, name: str) -> np.ndarray:
        """``(T, D)`` float32 of one sample; errors as `toolkit.data.features.read_feature`."""
        return read_feature(self.folder, name, self.width)

    def utterances(self, names: Sequence[str]) -> np.ndarray:
        """``(N, D)`` float32, each sample averaged over time."""
        result = np.empty((len(names), self.width), np.float32)

        def read(number: int) -> None:
            result[number] = average(self.rows(names[number]))

        with progress_bar(len(names), f"reading {self.folder.name}", "sample", len(names) > 500) as bar:
            if self.num_workers <= 1:
                for number in range(len(names)):
                    read(number)
                    bar.update()
                return result
            with ThreadPoolExecutor(self.num_workers) as pool:
                for _ in pool.map(read, range(len(names))):
                    bar.update()
        return result


class PackedFolder:
    """A feature folder read from its packed file; samples that are not in it are read from the folder itself."""

    def __init__(self, path: Path, folder: Path, fingerprint: str) -> None:
        """Open `path`; the open file stays the same when another process replaces it.

        Raises:
            FileNotFoundError: there is no such file.
            StaleCache: it was made from other content.
            ValueError: it is damaged.
        """
        self.folder = folder
        self._file = open(path, "rb")  # noqa: SIM115 (open as long as this object is)
        try:
            index = _read_index(self._file.fileno(), fingerprint)
        except BaseException:
            self._file.close()
            raise
        self.width: int = index["width"]
        self._starts = _starts(index["lengths"])
        self._position = {name: number for number, name in enumerate(index["names"])}
        self._all_rows: np.ndarray | None = None

    def _map(self) -> np.ndarray:
        """All rows, ``(sum T, D)``, read-only; unmapped when the array is dropped."""
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        total = int(self._starts[-1])
        flat = np.frombuffer(mapped, np.dtype("<f4"), count=total * self.width, offset=HEADER_BYTES)
        return flat.reshape(total, self.width)

    def rows(self, name: str) -> np.ndarray:
        """``(T, D)`` float32 of one sample, a view of the map; errors as `toolkit.data.features.read_feature`."""
        position = self._position.get(name)
        if position is None:
            return read_feature(self.folder, name, self.width or None)
        if self._all_rows is None:
            self._all_rows = self._map()
        return self._all_rows[self._starts[position] : self._starts[position + 1]]

    def utterances(self, names: Sequence[str]) -> np.ndarray:
        """``(N, D)`` float32, each sample averaged over time: one gathering copy for samples of one row."""
        positions = np.fromiter((self._position.get(name, -1) for name in names), np.int64, len(names))
        others = {
            number: average(read_feature(self.folder, names[number], self.width or None))
            for number in np.flatnonzero(positions < 0).tolist()
        }
        if len(others) == len(names):
            return np.stack(list(others.values()))
        starts = self._starts[:-1][positions]
        rows = self._map()
        result = rows.take(starts, axis=0)
        lengths = np.diff(self._starts)[positions]
        for number in np.flatnonzero((lengths > 1) & (positions >= 0)).tolist():
            result[number] = average(rows[starts[number] : starts[number] + lengths[number]])
        for number, row in others.items():
            result[number] = row
        return result


def _read_index(descriptor: int, fingerprint: str) -> dict:
    """The index of an open packed file, after checking that it is whole and belongs to `fingerprint`."""
    size = os.fstat(descriptor).st_size
    if size < HEADER_BYTES + TRAILER.size:
        raise ValueError("it is cut off")
    length, checksum, magic = TRAILER.unpack(os.pread(descriptor, TRAILER.size, size - TRAILER.size))
    if magic != MAGIC or length > size:
        raise ValueError("it is cut off")
    text = os.pread(descriptor, length, size - TRAILER.size - length)
    if zlib.crc32(text) != checksum:
        raise ValueError("its index is damaged")
    index = json.loads(text)
    if index["fingerprint"] != fingerprint:
        raise StaleCache
    total = sum(index["lengths"])
    expected = HEADER_BYTES + total * index["width"] * 4 + length + TRAILER.size
    if size != expected or os.pread(descriptor, HEADER_BYTES, 0) != npy_header(total, index["width"]):
        raise ValueError("its size or header is wrong")
    return index


def _starts(lengths: Sequence[int]) -> np.ndarray:
    """First row of each sample, and the number of all rows at the end."""
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


class StaleCache(Exception):
    """The packed file was made from a folder that has changed since."""


class FeatureStore:
    """The feature folders of one run, each opened once, packed where that is possible.

    `notes` collects sentences for the user: caches that could not be written or had to be made again.
    """

    def __init__(self, num_workers: int = 0, packed: bool = True) -> None:
        self.num_workers = num_workers
        self.notes: list[str] = []
        self._packed = packed and os.environ.get("MER_CACHE") != "none"
        self._open: dict[Path, PackedFolder] = {}
        self._unpackable: set[Path] = set()  # places where one attempt has failed: not tried for every split again

    def readers(self, folders: Sequence[Path], names: Sequence[str]) -> Iterator[PackedFolder | PlainFolder]:
        """The reader of each folder for the samples `names` (at least one), one after the other.

        While the caller reads from one folder, the next ones are checked for changes.

        Raises:
            UserError: without a cache, the first sample cannot be read.
        """
        new = [folder for folder in dict.fromkeys(folders) if folder not in self._open] if self._packed else []
        unchecked = set(new)
        with closing(fingerprints(new, len(names) >= WORTH_CHILDREN)) as checked:
            for folder in folders:
                if folder in unchecked:
                    unchecked.remove(folder)
                    packed = self._open_packed(folder, next(checked), len(names))
                    if packed is not None:
                        self._open[folder] = packed
                yield self._open.get(folder) or self._plain(folder, names[0])

    def _plain(self, folder: Path, name: str) -> PlainFolder:
        return PlainFolder(folder, read_feature(folder, name).shape[1], self.num_workers)

    def _open_packed(self, folder: Path, fingerprint: str, wanted: int) -> PackedFolder | None:
        path = cache_path(folder)
        try:
            return PackedFolder(path, folder, fingerprint)
        except (FileNotFoundError, NotADirectoryError, StaleCache):
            pass
        except (ValueError, KeyError, TypeError, OSError) as error:
            self.notes.append(f"{path}: unusable cache ({error}); it is made again")
        if path in self._unpackable:
            return None
        listing = scan_folder(folder)
        if wanted * WORTH_PACKING < len(listing.samples()):
            return None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(path.parent).free
            if listing.total() > 0.8 * free:
                raise OSError(28, f"{listing.total() / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free")
            atomic.remove_orphans(path.parent)
            listing = settled_listing(folder)
            write_packed(path, folder, listing, self.num_workers)
            return PackedFolder(path, folder, listing.fingerprint)
        except (OSError, ValueError, StaleCache) as error:  # the last two: another process replaced it just now
            self._unpackable.add(path)
            self._say_once(path.parent, getattr(error, "strerror", None) or str(error))
            return None

    def _say_once(self, place: Path, reason: str) -> None:
        note = f"{place}: features cannot be packed there ({reason}); they are read file by file (MER_CACHE: elsewhere)"
        if note not in self.notes:
            self.notes.append(note)

    def print_notes(self) -> None:
        """Print `notes` on stderr, for callers that do not pass them on."""
        for note in self.notes:
            print(note, file=sys.stderr)


def average(rows: np.ndarray) -> np.ndarray:
    """``(T, D)`` -> ``(D,)``: the mean over time; a single row as it is."""
    return rows[0] if len(rows) == 1 else rows.mean(axis=0)


def cache_path(folder: Path) -> Path:
    """The packed file of a feature folder; caches of different features roots never meet below ``MER_CACHE``."""
    elsewhere = os.environ.get("MER_CACHE")
    if not elsewhere:
        return folder.parent / ".packed" / f"{folder.name}.npy"
    root = str(folder.parent.resolve())
    digest = zlib.crc32(root.encode("utf-8", "surrogateescape"))
    return Path(elsewhere).expanduser() / f"{folder.parent.parent.name}-{digest:08x}" / f"{folder.name}.npy"
