"""Remarks about clips that are used nevertheless: collected where they arise, counted, and told once per run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_notes: ContextVar[list[str] | None] = ContextVar("notes of the sample under way", default=None)


def note(text: str) -> None:
    """Remark `text` about the sample that is being loaded or extracted. Outside a run it does nothing.

    The same words for the same matter, so that they can be counted: "44100 Hz resampled to 16000 Hz".
    """
    collected = _notes.get()
    if collected is not None:
        collected.append(text)


@contextlib.contextmanager
def collected_notes() -> Iterator[list[str]]:
    """The list that `note` fills inside the block."""
    collected: list[str] = []
    token = _notes.set(collected)
    try:
        yield collected
    finally:
        _notes.reset(token)
