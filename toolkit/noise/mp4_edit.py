"""The edit list of an mp4 file's sound, set in place.

An AAC stream begins with the encoder's priming (1024 samples of nothing), which the edit list tells players to skip.
ffmpeg's muxer writes that only for a sound that begins at time zero; for a later start it would leave the priming in,
64 ms of it. The muxer writes [wait until the start][play from sample 0]; this makes it [wait][play from sample 1024],
and takes the priming out of the stated durations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BRANCHES = (b"trak", b"mdia", b"edts")


def hide_priming(path: Path, priming: int) -> None:
    """Let the sound of the mp4 file `path` begin after its first `priming` samples (of the sound's own time base).

    Raises:
        ValueError: the file is no mp4, or its sound has not the two edits that a delayed sound gets.
    """
    with open(path, "r+b") as file:
        for kind, start, end in _file_boxes(file):
            if kind == b"moov":
                file.seek(start)
                moov = bytearray(file.read(end - start))
                _edit(moov, priming)
                file.seek(start)
                file.write(moov)
                return
    raise ValueError(f"{path} has no moov box")


@dataclass(frozen=True)
class _Times:
    """A box of times: 32-bit ones in version 0, 64-bit ones in version 1 (its first byte)."""

    data: bytearray
    start: int

    @property
    def width(self) -> int:
        return 8 if self.data[self.start] else 4

    def get(self, offset: int, width: int) -> int:
        return int.from_bytes(self.data[self.start + offset : self.start + offset + width], "big")

    def put(self, offset: int, width: int, value: int) -> None:
        self.data[self.start + offset : self.start + offset + width] = value.to_bytes(width, "big")

    def clock(self) -> int:
        """Ticks per second of a header (mvhd, mdhd): after the version and two dates."""
        return self.get(4 + 2 * self.width, 4)


def _edit(moov: bytearray, priming: int) -> None:
    boxes = list(_boxes(moov, 0, len(moov)))
    movie = _Times(moov, next(start for kind, start, _ in boxes if kind == b"mvhd"))
    tracks = [dict(_leaves(moov, start, end)) for kind, start, end in boxes if kind == b"trak"]
    sound = next((track for track in tracks if moov[track[b"hdlr"] + 8 :][:4] == b"soun"), {})
    if b"elst" not in sound or _Times(moov, sound[b"elst"]).get(4, 4) != 2:
        raise ValueError("the sound of the file has not two edits")
    edits, media = _Times(moov, sound[b"elst"]), _Times(moov, sound[b"mdhd"])
    width, hidden = edits.width, priming * movie.clock() // media.clock()
    second = 8 + 2 * width + 4  # behind version, count and the first edit (duration, media time, rate)
    edits.put(second, width, edits.get(second, width) - hidden)
    edits.put(second + width, width, priming)
    at = 8 + 2 * media.width
    media.put(at, media.width, media.get(at, media.width) - priming)
    track = _Times(moov, sound[b"tkhd"])
    at = 12 + 2 * track.width  # behind version, two dates, number, reserved
    track.put(at, track.width, track.get(at, track.width) - hidden)
    headers = [_Times(moov, track[b"tkhd"]) for track in tracks]
    movie.put(8 + 2 * movie.width, movie.width, max(head.get(12 + 2 * head.width, head.width) for head in headers))


def _file_boxes(file) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of a file's boxes; start and end are those of the contents."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return
        size, kind, skip = int.from_bytes(head[:4], "big"), head[4:8], 8
        if size == 1:  # a 64-bit size follows
            size, skip = int.from_bytes(head[8:16], "big"), 16
        if size < skip:
            return
        yield kind, at + skip, at + size
        at += size


def _boxes(data: bytearray, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The same inside a box that is in memory (no 64-bit sizes there)."""
    while start + 8 <= end:
        size = max(8, int.from_bytes(data[start : start + 4], "big"))
        yield bytes(data[start + 4 : start + 8]), start + 8, start + size
        start += size


def _leaves(data: bytearray, start: int, end: int) -> Iterator[tuple[bytes, int]]:
    for kind, first, last in _boxes(data, start, end):
        if kind in _BRANCHES:
            yield from _leaves(data, first, last)
        else:
            yield kind, first
