"""The folder of a set: written by one run at a time, and never over files that are not the set's own.

Two hidden files exist only while a run works (or after it was killed): a lock, and the names of the clips that the run
set out to make. A clip that has its file but no row in the manifest, because the kill came between the two, is on that
list; any other file of a clip's name is somebody else's.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import IO

from toolkit.preprocess.batch import Job
from toolkit.utils import atomic
from toolkit.utils.errors import UserError

LOCK_FILE = ".noise-info.lock"
BEGUN_FILE = ".noise-info.begun"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other runs out of `folder`, which is created; one that stays empty is removed again.

    The lock is the system's (flock), so it ends with the process, however that ends.

    Raises:
        UserError: another run writes into the folder.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; name a folder to write into")
    created = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    lock = _lock(folder)
    try:
        yield
    finally:
        (folder / LOCK_FILE).unlink(missing_ok=True)
        lock.close()
        if created:
            with contextlib.suppress(OSError):  # it holds something: usual
                folder.rmdir()


def _lock(folder: Path) -> IO[str]:
    """The locked file, open."""
    path = folder / LOCK_FILE
    while True:
        file = open(path, "a", encoding="utf-8")
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise UserError(
                f"another run is writing into {folder}; wait until it has ended, or choose another folder"
            ) from None
        except (ImportError, OSError):  # a system or a network disk without locks
            return file
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        file.close()  # its owner ended, and removed it, between our opening and locking it


def read_begun(folder: Path) -> set[str]:
    """Names of the clips that runs which did not come to their end had set out to make."""
    try:
        return set(json.loads((folder / BEGUN_FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return set()


def write_begun(folder: Path, names: Collection[str]) -> None:
    """Note them; none removes the note."""
    if names:
        atomic.write_text(folder / BEGUN_FILE, json.dumps(sorted(names)))
    else:
        (folder / BEGUN_FILE).unlink(missing_ok=True)


def refuse_strays(folder: Path, jobs: Sequence[Job], own: Collection[str], manifest_name: str) -> None:
    """Raises `UserError` when a job would write over a file whose clip is not among `own`."""
    strays = [job.target.name for job in jobs if job.name not in own and os.path.lexists(job.target)]
    if strays:
        raise UserError(
            f"{folder} holds {len(strays)} files of clips that its {manifest_name} does not list, e.g. {strays[0]}; "
            "choose another folder, or give --overwrite to replace them"
        )
