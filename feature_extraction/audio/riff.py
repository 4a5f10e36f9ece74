"""What a wav file's header announces: libsndfile reads a file that was cut short without a word."""

from __future__ import annotations

import struct
from pathlib import Path

_UNKNOWN = 0x7FFFFFFF  # programs that write into a pipe announce this much or more
_MAX_CHUNKS = 100


def announced_frames(path: Path) -> int | None:
    """Frames that the data chunk of a RIFF/WAVE file announces; None when it does not say (a pipe, another format).

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        if struct.unpack("<4s4x4s", file.read(12).ljust(12, b"\0")) != (b"RIFF", b"WAVE"):
            return None
        frame_bytes = 0
        for _ in range(_MAX_CHUNKS):
            head = file.read(8)
            if len(head) < 8:
                return None
            kind, size = struct.unpack("<4sI", head)
            if kind == b"data":
                return size // frame_bytes if frame_bytes and size < _UNKNOWN else None
            if kind == b"fmt " and size >= 14:
                layout = file.read(14)
                if len(layout) < 14:
                    return None
                frame_bytes = struct.unpack("<12xH", layout)[0]
                file.seek(size - 14 + size % 2, 1)
            else:
                file.seek(size + size % 2, 1)
    return None
