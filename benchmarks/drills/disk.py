"""A small disk in memory (tmpfs), which can be full or read-only; needs root on Linux."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from drills.compare import files_of

BLOCK = 4096


class NoDisk(Exception):
    """No such disk can be made here; the message says why."""


def _mount(*arguments: str) -> None:
    program = shutil.which("mount")
    if program is None:
        raise NoDisk("there is no program mount")
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise NoDisk(" ".join(done.stderr.split()) or f"mount ended with {done.returncode}")


@contextlib.contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """An empty disk of `size` bytes at `place`.

    Raises:
        NoDisk: it cannot be mounted.
    """
    place.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], capture_output=True)


def change(place: Path, options: str) -> None:
    """Mount again with other options: ``ro``, ``rw``, ``size=N``."""
    _mount("-o", f"remount,{options}", str(place))


def room_for(folder: Path) -> int:
    """Bytes that the files and folders of `folder` take on such a disk."""
    files = sum(-(-path.lstat().st_size // BLOCK) * BLOCK for path in files_of(folder))
    return files + BLOCK * sum(1 for path in folder.rglob("*") if path.is_dir())
