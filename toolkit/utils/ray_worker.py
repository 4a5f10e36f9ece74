"""What runs in a worker of a Ray cluster."""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Callable
from typing import Any

from toolkit.utils.threads import limit_threads

Work = Callable[[Any], Any]


class RemoteWorker:
    """What runs on the cluster: `make()` once, then the function that it gave, on item after item."""

    def __init__(self, make: Callable[[], Work], threads: int, folder: str) -> None:
        self._make, self._threads, self._folder = make, threads, folder

    def start(self) -> tuple[bool, Any]:
        """(True, None), or (False, the error)."""
        with contextlib.suppress(OSError):  # relative paths are those of the driver, where it is on this machine
            os.chdir(self._folder)
        limit_threads(self._threads)
        try:
            self._work = self._make()
        except Exception as error:
            return False, portable(error)
        return True, None

    def work(self, item: Any) -> tuple[bool, Any]:
        """(True, the result), or (False, the error)."""
        try:
            return True, self._work(item)
        except Exception as error:
            return False, portable(error)


def portable(error: Exception) -> Exception:
    """`error`, or one that says the same where it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
