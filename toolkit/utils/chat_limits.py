"""What a chat server limits: which key may be used when, and the pause it asks for."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Collection
from email.utils import parsedate_to_datetime
from typing import Any

from toolkit.utils.errors import UserError


class KeyRing:
    """Keys by number: dropped when the server refuses them, left alone while the server wants a pause. Thread-safe."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._refused: dict[int, str] = {}
        self._forbidden: dict[int, str] = {}  # key -> the question that was last answered with 403
        self._resume_at = [0.0] * count
        self._lock = threading.Lock()

    def pick(self, avoid: Collection[int] = ()) -> tuple[int, float] | None:
        """(index, seconds to wait) of the first key that is free at once, else of the one that is free soonest.

        None when only keys of `avoid` are left.

        Raises:
            UserError: all keys were refused.
        """
        with self._lock:
            live = [index for index in range(self._count) if index not in self._refused]
            if not live:
                reasons = "; ".join(f"key {index + 1}: {why}" for index, why in sorted(self._refused.items()))
                raise UserError(f"the server takes none of the {self._count} key(s) ({reasons}); set OPENAI_API_KEY")
            live = [index for index in live if index not in avoid]
            if not live:
                return None
            now = time.monotonic()
            best = min(live, key=lambda index: max(self._resume_at[index] - now, 0.0))
            return best, max(self._resume_at[best] - now, 0.0)

    def refuse(self, index: int, reason: str) -> None:
        with self._lock:
            self._refused.setdefault(index, reason)

    def forbid(self, index: int, question: str, reason: str) -> bool:
        """Note that `question` was forbidden (403); True when that refuses the key.

        One such answer may be about the question (moderation). Two in a row for a key, to different questions, are not.
        """
        with self._lock:
            if self._forbidden.setdefault(index, question) == question:
                return False
            self._refused.setdefault(index, reason)
            return True

    def accept(self, index: int) -> None:
        """The key brought an answer."""
        with self._lock:
            self._forbidden.pop(index, None)

    def pause(self, index: int, seconds: float) -> None:
        with self._lock:
            self._resume_at[index] = max(self._resume_at[index], time.monotonic() + seconds)


def retry_after(headers: Any) -> float | None:
    """Seconds that the ``Retry-After`` header asks for (a number or a date), None without one."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError, TypeError):
        return None


def is_out_of_money(status: int, text: str) -> bool:
    """Whether an error means that the key's money or quota is spent, which no waiting mends."""
    spent = re.search(r"insufficient.{0,3}(?:quota|balance|credit|fund|money|budget)|余额不足", text, re.IGNORECASE)
    return status == 402 or (status in (400, 403, 429) and spent is not None)
