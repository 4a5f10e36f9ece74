"""The pictures of a clip, decoded, blurred and encoded once, or copied; every frame keeps its time.

Time: the encoder only counts frames; each packet then gets the time and duration that its frame had in the source, in
the source's own time base. So variable frame rates stay, and MPEG-4 part 2's limit on time bases (65535) is no matter.
This needs packets in frame order: no B-frames.

Pixels: a sharp yuv420p frame goes to the encoder as it was decoded, a blurred one plane by plane (`blur.py`). Other
pixel formats are converted to it; full-range sources are written in the usual limited range.
"""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from toolkit.noise.blur import blur, blur_half_size

# One thread everywhere: clips run side by side, and a codec's result must not depend on its threads.
ENCODERS = {
    # constant quantiser: with a bit rate the blurred clips would be better coded than the sharp ones
    "mpeg4": {"flags": "+qscale", "qmin": "3", "qmax": "3"},
    "libx264": {"preset": "superfast", "crf": "20"},
}
_DEFAULT_RATE = Fraction(25)
_LARGEST_MPEG4_TICK = 65535
_ROUNDED = Interpolation.BILINEAR | Interpolation.ACCURATE_RND  # without it luma would drop by a level
_FULL_RANGE, _LIMITED_RANGE = 2, 1


class Canvas:
    """A frame that blurred pictures are written into again and again (new memory for each would cost more)."""

    def __init__(self, width: int, height: int, pixel_format: str) -> None:
        self.frame = av.VideoFrame(width, height, pixel_format)
        self._planes = [_pixels(plane) for plane in self.frame.planes]

    def fill(self, source: av.VideoFrame, rate: int) -> None:
        """Write `source`, of the same size and format, blurred."""
        width = source.width
        for plane, target in zip(source.planes, self._planes, strict=True):
            blurring = blur_half_size if plane.width < width else blur
            result = blurring(_pixels(plane), rate, target)
            if not np.may_share_memory(result, target):
                target[:] = result


class PictureTrack:
    """Encodes frames into the picture stream of an output container."""

    def __init__(
        self, output: av.container.OutputContainer, source: av.VideoStream, first: av.VideoFrame, codec: str, rate: int
    ) -> None:
        self._output, self._rate = output, rate
        self.frames = 0  # taken so far
        self._last: int | None = None  # pts of the last one, in the source's time base
        self._times: dict[int, tuple[int, int]] = {}  # number -> (pts, duration) of frames inside the encoder
        self._time_base, self._seconds = source.time_base, float(source.time_base)
        self._usual = self._usual_duration(source)
        self._reformatter = VideoReformatter()
        self._canvases: list[Canvas] = []
        self._size = (first.width, first.height)
        stream = output.add_stream(codec, rate=source.average_rate or _DEFAULT_RATE, options=ENCODERS[codec])
        context = stream.codec_context
        context.width, context.height = self._size
        # 4:2:0 in H.264 has even sizes only; 4:4:4 keeps an odd one (MPEG-4 part 2 keeps any)
        odd = first.width % 2 or first.height % 2
        context.pix_fmt = self._format = "yuv444p" if codec == "libx264" and odd else "yuv420p"
        context.time_base = self._tick = _encoder_tick(source)
        context.thread_count, context.max_b_frames = 1, 0
        context.sample_aspect_ratio = source.sample_aspect_ratio or Fraction(0, 1)
        for name in ("colorspace", "color_primaries", "color_trc"):
            setattr(context, name, getattr(first, name))
        context.color_range = _LIMITED_RANGE if first.color_range else 0
        stream.time_base = self._time_base
        for side in first.side_data:
            if side.type is av.sidedata.sidedata.Type.DISPLAYMATRIX:  # rotation, as a phone writes it
                stream.set_display_matrix(np.frombuffer(bytes(side), np.int32).tolist())
        self._stream = stream

    def write(self, frame: av.VideoFrame, shift: int) -> float:
        """Encode one frame; returns its time in seconds. `shift` (ticks of the source) is added to its time."""
        pts = frame.pts + shift if frame.pts is not None else (0 if self._last is None else self._last + self._usual)
        if self._last is not None and pts <= self._last:  # broken times: keep the frame, just after the one before
            pts = self._last + 1
        self._last = pts
        self._times[self.frames] = (pts, frame.duration or self._usual)
        picture = self._picture(frame)
        picture.pts, picture.time_base, picture.pict_type = self.frames, self._tick, 0
        self.frames += 1
        self._mux(self._stream.encode(picture))
        return pts * self._seconds

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._mux(self._stream.encode(None))

    def _picture(self, frame: av.VideoFrame) -> av.VideoFrame:
        full = frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj")
        if full or frame.format.name != self._format or (frame.width, frame.height) != self._size:
            frame = self._reformatter.reformat(
                frame, *self._size, format=self._format, dst_color_range=_LIMITED_RANGE, interpolation=int(_ROUNDED)
            )
        return frame if self._rate == 1 else self._blurred(frame)

    def _blurred(self, frame: av.VideoFrame) -> av.VideoFrame:
        if not self._canvases:
            self._canvases = [Canvas(*self._size, self._format) for _ in range(2)]
        canvas = self._canvases[self.frames % 2]
        canvas.fill(frame, self._rate)
        return canvas.frame

    def _mux(self, packets: list[av.Packet]) -> None:
        for packet in packets:
            pts, duration = self._times.pop(packet.pts)
            packet.time_base = self._time_base
            packet.pts = packet.dts = pts
            packet.duration = duration
            self._output.mux_one(packet)

    def _usual_duration(self, source: av.VideoStream) -> int:
        return max(1, round(1 / (source.average_rate or _DEFAULT_RATE) / source.time_base))


def _pixels(plane: av.video.plane.VideoPlane) -> np.ndarray:
    """The plane as ``(H, W)`` uint8, in place."""
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


def _encoder_tick(source: av.VideoStream) -> Fraction:
    """The encoder's time base: one frame at the average rate, where MPEG-4 part 2 can say it."""
    rate = (source.average_rate or _DEFAULT_RATE).limit_denominator(1001)
    if 0 < rate.numerator <= _LARGEST_MPEG4_TICK:
        return 1 / rate
    return 1 / Fraction(min(_LARGEST_MPEG4_TICK, max(1, round(rate))))
