"""Reading the pictures of a clip: the right stream, its frames, or its packets for a plain copy."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import av

from toolkit.noise.damage import Damaged, missing_packets
from toolkit.noise.sound import SoundTrack
from toolkit.preprocess.media import MediaError, Stopped

COPIED_INTO_MP4 = ("h264", "hevc", "mpeg4", "av1", "vp9")


class CannotCopy(Exception):
    """The pictures have to be encoded."""


def video_stream(container: av.container.InputContainer, path: object) -> av.VideoStream:
    """The first picture stream that is no cover picture.

    Raises:
        MediaError: there is none.
    """
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            stream.thread_type, stream.codec_context.thread_count = "NONE", 1
            return stream
    raise MediaError(f"{path} has no video stream")


class ShownFrames:
    """The frames of a stream in order of time, and how the decoding went.

    Raises (while iterating):
        Stopped: `stop` was set.
    """

    def __init__(
        self, container: av.container.InputContainer, stream: av.VideoStream, stop: threading.Event | None = None
    ) -> None:
        self.stream = stream
        self._container, self._stop = container, stop
        self._packets = self._broken = 0

    def __iter__(self) -> Iterator[av.VideoFrame]:
        for packet in self._container.demux(self.stream):
            if self._stop is not None and self._stop.is_set():
                raise Stopped("stopped")
            self._packets += packet.size > 0
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                self._broken += 1
                continue
            yield from frames

    def check(self) -> None:
        """Raises `Damaged`, after the iteration, when packets were missing or could not be decoded."""
        if self._broken:
            raise Damaged(f"{self._broken} of {self._packets} packets of the pictures could not be decoded")
        _check_whole(self._container, self.stream, self._packets)


def _check_whole(container: av.container.InputContainer, stream: av.VideoStream, packets: int) -> None:
    missing = missing_packets(container, stream, packets)
    if missing:
        raise Damaged(f"the file is cut off: {packets} of {packets + missing} pictures are in it")


def copy_packets(
    container: av.container.InputContainer,
    source: av.VideoStream,
    output: av.container.OutputContainer,
    sound: SoundTrack,
    shift: int,
    stop: threading.Event | None = None,
) -> int:
    """Copy the picture packets as they are, the sound beside them; returns how many.

    Raises:
        CannotCopy: the codec does not belong into mp4, or packets lack times or are cut away by an edit list.
        Damaged: the file is cut off.
    """
    if source.codec_context.name not in COPIED_INTO_MP4 or "mp4" not in container.format.name:
        raise CannotCopy(source.codec_context.name)
    stream = output.add_stream_from_template(source)
    stream.time_base = source.time_base
    count, tick = 0, float(source.time_base)
    for packet in container.demux(source):
        if stop is not None and stop.is_set():
            raise Stopped("stopped")
        if packet.size == 0 and packet.dts is None:  # the demuxer's end mark
            continue
        if packet.is_discard or packet.pts is None or packet.dts is None:
            raise CannotCopy("packets without times or outside the edit list")
        sound.write_until(packet.dts * tick)
        packet.stream = stream
        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
        output.mux_one(packet)
        count += 1
    _check_whole(container, source, count)
    return count
