"""Files that are cut off or cannot be decoded throughout: noticed, and told in ffmpeg's words."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import av

from toolkit.preprocess.media import MediaError, run_ffmpeg

_ADDRESS = re.compile(r" @ (0x)?[0-9a-fA-F]+(?=\])")  # differs between runs
_LINES = 3  # of ffmpeg's that are told


class Damaged(Exception):
    """A file is not whole; the message counts what is wrong."""


class Unreadable(Exception):
    """ffmpeg's libraries gave up on a file; the message is theirs."""


def missing_packets(container: av.container.InputContainer, stream: av.stream.Stream, seen: int) -> int:
    """How many packets of `stream` the file announces beyond the `seen` ones; 0 where that is not known.

    mp4 counts its packets, and its edit list may leave some out (the index then lacks them). avi's number is that of
    the slots of its clock, empty ones too, and other files have none.
    """
    if "mp4" not in container.format.name:
        return 0
    return max(0, min(stream.frames, len(stream.index_entries)) - seen)


def ffmpeg_words(path: Path, fallback: str, stop: threading.Event | None = None) -> str:
    """What the ffmpeg program itself says when it decodes the file; `fallback` when it says nothing."""
    try:
        text = run_ffmpeg(["-threads", "1", "-i", f"file:{path}", "-f", "null", "-"], stop)
    except MediaError as own:
        return str(own)
    lines = dict.fromkeys(_ADDRESS.sub("", line).strip() for line in text.splitlines())
    return "; ".join([line for line in lines if line][:_LINES]) or fallback
