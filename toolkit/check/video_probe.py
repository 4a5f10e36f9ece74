"""One video file, read from end to end: what it declares and what it holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_COUNTED = (".mp4", ".mov")  # their header counts coded frames; avi counts the slots of its clock, others nothing


@dataclass
class VideoFacts:
    """What a video is; seconds are None where they are not known.

    Attributes:
        declared: the container's length.
        pictures, sound: from the start of the first to the end of the last frame, or packet of sound.
        frames: decoded ones (packets, when nothing was decoded).
        faults: (code of `toolkit.check.findings.RULES`, detail).
    """

    changed: float = 0.0
    declared: float | None = None
    pictures: float | None = None
    sound: float | None = None
    frames: int = 0
    size: str = ""
    rate: str = ""
    codec: str = ""
    sound_format: str = "none"
    faults: tuple[tuple[str, str], ...] = ()


@dataclass
class _Extent:
    """First start and last end of what a stream holds, in seconds."""

    start: float | None = None
    end: float = 0.0

    def add(self, time: Any, duration: Any, step: float) -> None:
        begin = float(time) if time is not None else (self.end if self.start is not None else 0.0)
        self.start = begin if self.start is None else min(self.start, begin)
        self.end = max(self.end, begin + (float(duration) if duration else step))

    @property
    def seconds(self) -> float | None:
        return None if self.start is None else self.end - self.start


def probe_video(path: str | os.PathLike, decode: bool = True) -> VideoFacts:
    """Read `path`, its pictures decoded unless `decode` is off (then packets are counted: ten times faster).

    The loop filter is left out: it costs a third of the time and changes no count.
    """
    import av

    facts = VideoFacts()
    try:
        facts.changed = os.stat(path).st_mtime
        with av.open(f"file:{os.fspath(path)}") as container:  # the prefix: a colon in a name has no meaning then
            _read(container, facts, Path(path).suffix.lower() in _COUNTED, decode)
    except (av.error.FFmpegError, OSError) as error:
        words = error.strerror or " ".join(str(error).split())
        size = os.path.getsize(path) if os.path.exists(path) else 0
        facts.faults = (*facts.faults, ("video_unreadable", f"{words}, {size:,} bytes"))
    return facts


def _read(container: Any, facts: VideoFacts, counted: bool, decode: bool) -> None:
    from av.stream import Disposition

    if container.duration:
        facts.declared = container.duration / 1e6  # microseconds
    pictures = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    sounds = list(container.streams.audio)
    faults = []
    if sounds:
        context = sounds[0].codec_context
        facts.sound_format = f"{context.name if context else 'unknown'} {sounds[0].rate or 0} Hz"
    else:
        faults.append(("video_no_sound", "no audio stream"))
    if not pictures:
        facts.faults = (("video_unreadable", "no picture stream"),)
        return
    stream = pictures[0]
    stream.thread_type, stream.codec_context.thread_count = "NONE", 1  # clips run side by side
    stream.codec_context.options = {"skip_loop_filter": "all"}
    facts.codec, facts.size = stream.codec_context.name, f"{stream.width}x{stream.height}"
    rate = stream.average_rate or stream.guessed_rate
    facts.rate = f"{float(rate):.5g} fps" if rate else "unknown"
    packets, broken = _decode(container, stream, sounds[0] if sounds else None, facts, decode)
    announced = stream.frames if counted else 0
    if not facts.frames:
        faults.append(("video_unreadable", "not a single frame can be decoded"))
    elif packets < announced:
        faults.append(("video_damaged", f"holds {packets:,} of the {announced:,} frames it announces"))
    elif broken:
        faults.append(("video_damaged", f"{broken:,} of {packets:,} frames cannot be decoded properly"))
    facts.faults = tuple(faults)


def _decode(container: Any, stream: Any, sound: Any, facts: VideoFacts, decode: bool) -> tuple[int, int]:
    """Fill lengths and frames; returns (packets of pictures, those that are broken)."""
    import av

    step = 1 / float(stream.average_rate or 25)
    pictures, heard = _Extent(), _Extent()
    packets = broken = 0
    for packet in _packets(container, [stream] if sound is None else [stream, sound]):
        if packet is None:
            broken += 1
        elif sound is not None and packet.stream_index == sound.index:
            if packet.size:
                heard.add(_seconds(packet, packet.pts), _seconds(packet, packet.duration), 0.0)
        elif not decode:
            if packet.size:
                packets += 1
                pictures.add(_seconds(packet, packet.pts), _seconds(packet, packet.duration), step)
        else:
            packets += packet.size > 0
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                broken += 1
                continue
            for frame in frames:
                facts.frames += 1
                broken += frame.is_corrupt
                pictures.add(frame.time, _seconds(frame, frame.duration), step)
    if not decode:
        facts.frames = packets
    facts.pictures, facts.sound = pictures.seconds, heard.seconds
    return packets, broken


def _packets(container: Any, streams: list[Any]) -> Iterator[Any]:
    """The packets of `streams`; None in place of the rest of a file that cannot be read further."""
    import av

    try:
        yield from container.demux(streams)
    except av.error.FFmpegError:
        yield None


def _seconds(piece: Any, ticks: int | None) -> float | None:
    """Ticks of a packet or frame in seconds."""
    return None if ticks is None or piece.time_base is None else float(ticks * piece.time_base)
