"""What a feature folder holds, without reading it: names, sizes, times of change, and one fingerprint of them all.

A warm read of a packed cache is mostly this listing (a `stat` per file), and Python's lock lets only one thread at a
time do it. So large folders are listed by short-lived child processes, side by side: this file is also the script they
run, and imports nothing beyond the standard library.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

CHILDREN = 4  # child processes at once
_CLOCK_TICK = 0.02  # seconds: two changes of a file within one tick of the clock may carry the same time


class Listing:
    """All ``.npy`` files of a feature folder.

    Attributes:
        lines: ``<file below the folder>/<bytes>/<time of change in ns>``, sorted. Text: 25,000 tuples would cost
            several collections of garbage.
        fingerprint: changes with any name, size or time of change.
    """

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        text = "\n".join(lines).encode("utf-8", "surrogateescape")
        self.fingerprint = blake2b(text, digest_size=16).hexdigest()

    def samples(self) -> dict[str, int]:
        """Sample name -> bytes of ``<name>.npy``, or -1 for a folder of frames."""
        files = [line.rsplit("/", 2) for line in self.lines]
        sizes = {name[:-4]: int(size) for name, size, _ in files if "/" not in name}
        return sizes | {
            name.split("/")[0]: -1 for name, _, _ in files if name.split("/")[0] not in sizes and "/" in name
        }

    def total(self) -> int:
        """Bytes of all files."""
        return sum(int(line.rsplit("/", 2)[1]) for line in self.lines)

    def newest(self) -> float:
        """The latest time of change, in seconds."""
        return max((int(line.rsplit("/", 1)[1]) for line in self.lines), default=0) / 1e9


def scan_folder(folder: str | os.PathLike[str]) -> Listing:
    """List all ``.npy`` files of `folder`, those in folders of frames included (one `stat` per file)."""
    lines: list[str] = []
    for name in _list_files(folder, "", lines):
        _list_files(os.path.join(folder, name), f"{name}/", lines)
    lines.sort()
    return Listing(lines)


def _list_files(folder: str | os.PathLike[str], prefix: str, lines: list[str]) -> list[str]:
    """Append the ``.npy`` files directly in `folder` to `lines`; returns the names of the folders in it."""
    folders = []
    # Relative to an open folder, a `stat` need not walk the whole path.
    descriptor = os.open(folder, os.O_RDONLY) if os.scandir in os.supports_fd else None
    try:
        with os.scandir(folder if descriptor is None else descriptor) as entries:
            for entry in entries:
                name = entry.name
                if entry.is_dir():
                    folders.append(name)
                elif name.endswith(".npy"):
                    try:
                        status = entry.stat()
                    except FileNotFoundError:  # gone since, or a link to nothing: missing, if anybody asks for it
                        continue
                    changed, inode = status.st_mtime_ns, status.st_ctime_ns
                    # A copy can bring an old time of change along; the inode's own time tells.
                    lines.append(f"{prefix}{name}/{status.st_size}/{changed if changed > inode else inode}")
    finally:
        if descriptor is not None:
            os.close(descriptor)
    return folders


def settled_listing(folder: str | os.PathLike[str]) -> Listing:
    """A listing from which every later change of a file differs, however soon it comes."""
    listing = scan_folder(folder)
    if listing.newest() > time.time() - _CLOCK_TICK:
        time.sleep(_CLOCK_TICK)
        listing = scan_folder(folder)
    return listing


def fingerprints(folders: Sequence[os.PathLike[str]], side_by_side: bool) -> Iterator[str]:
    """The fingerprint of each folder, in order; `side_by_side` runs up to `CHILDREN` child processes ahead.

    A child that cannot do it is replaced by doing it here, with the error that belongs to it.
    """
    children: dict[int, subprocess.Popen[str] | None] = {}
    try:
        for number, folder in enumerate(folders):
            if side_by_side:
                for ahead in range(number, min(number + CHILDREN, len(folders))):
                    if ahead not in children:
                        children[ahead] = _start_child(folders[ahead])
            child = children.get(number)
            answer = child.communicate()[0].strip() if child is not None else ""
            yield answer if child is not None and child.returncode == 0 and answer else scan_folder(folder).fingerprint
    finally:
        _stop(children.values())


def _start_child(folder: os.PathLike[str]) -> subprocess.Popen[str] | None:
    command = [sys.executable, "-I", "-S", os.path.abspath(__file__), os.path.abspath(folder)]
    try:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:  # no more processes allowed, say
        return None


def _stop(children: Iterable[subprocess.Popen[str] | None]) -> None:
    for child in children:
        if child is not None and child.poll() is None:
            child.kill()
            child.communicate()


if __name__ == "__main__":
    print(scan_folder(sys.argv[1]).fingerprint)
