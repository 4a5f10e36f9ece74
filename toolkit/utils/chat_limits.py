"""What a chat server limits: which key may be used when, and the pause it asks for."""

from __future__ import annotations

import threading
import time
from email.utils import parsedate_to_datetime
from typing import Any

from toolkit.utils.errors import UserError


class KeyRing:
    """Keys by number: dropped when the server refuses them, left alone while the server wants a pause. Thread-safe."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._refused: dict[int, str] = {}
        self._resume_at = [0.0] * count
        self._lock = threading.Lock()

    def pick(self) -> tuple[int, float]:
        """(index, seconds to wait) of the first key that is free at once, else of the one that is free soonest.

        Raises:
            UserError: all keys were refused.
        """
        with self._lock:
            live = [index for index in range(self._count) if index not in self._refused]
            if not live:
                reasons = "; ".join(f"key {index + 1}: {why}" for index, why in sorted(self._refused.items()))
                raise UserError(f"the server takes none of the {self._count} key(s) ({reasons}); set OPENAI_API_KEY")
            now = time.monotonic()
            best = min(live, key=lambda index: max(self._resume_at[index] - now, 0.0))
            return best, max(self._resume_at[best] - now, 0.0)

    def refuse(self, index: int, reason: str) -> None:
        with self._lock:
            self._refused.setdefault(index, reason)

    def pause(self, index: int, seconds: float) -> None:
        with self._lock:
            self._resume_at[index] = max(self._resume_at[index], time.monotonic() + seconds)


def retry_after(headers: Any) -> float | None:
    """Seconds that the ``Retry-After`` header asks for (a number or a date), None without one."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
