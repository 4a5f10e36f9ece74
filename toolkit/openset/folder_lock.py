"""One run at a time asks into a folder: two would pay for the same replies."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from toolkit.utils.errors import UserError


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold `folder` (made if it is not there, removed again if it stays empty).

    The lock is on the folder itself, no file appears in it; the end of the process frees it, however it ends. File
    systems that know no locks are used without one.

    Raises:
        UserError: another run holds the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{folder}: another run is asking into this folder; wait for its end, or give another --synonym_root"
            ) from None
        except OSError:
            pass
        yield
    finally:
        os.close(handle)
        with contextlib.suppress(OSError):
            folder.rmdir()  # only if it is empty
