"""Several processes on one search: which of them trains which run.

A claim is a lock on one byte of ``<run folder>/.claims``, at a place that follows from the run's identity. The
operating system frees it when its process ends in whatever way, so nothing is ever left claimed. Where a file system
has no locks, every claim is granted: then two processes may train the same run, and their rows agree.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

FILE_NAME = ".claims"
_BUSY = (errno.EACCES, errno.EAGAIN)


class Claims:
    """The claims of this process in one run folder; a context manager that gives all of them back."""

    def __init__(self, folder: Path) -> None:
        try:
            self._file: int | None = os.open(folder / FILE_NAME, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError:
            self._file = None

    def __enter__(self) -> Claims:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file is not None:
            os.close(self._file)  # frees all its locks
            self._file = None

    def take(self, identity: str, wait: bool = False) -> bool:
        """Claim a run (16 hexadecimal digits); False when another process has it and `wait` is not set."""
        if self._file is None:
            return True
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(identity))
        except OSError as error:
            return error.errno not in _BUSY
        return True

    def give_back(self, identity: str) -> None:
        """Free a run's claim."""
        if self._file is not None:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(identity))
            except OSError:
                return  # no locks here


def _place(identity: str) -> int:
    return int(identity[:15], 16)  # below 2^60: an offset that every system takes
