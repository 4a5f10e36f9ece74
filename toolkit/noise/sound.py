"""The sound of a clip: decoded to 16 kHz mono int16 with its place in time, and written as AAC."""

from __future__ import annotations

import threading
import wave
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from toolkit.noise.damage import Damaged, missing_packets
from toolkit.preprocess.media import SAMPLE_RATE, MediaError, Stopped
from toolkit.utils import atomic

AAC_BITS = 64000  # per second: transparent for 16 kHz mono
AAC_CODER = "fast"  # the usual one, twoloop, takes 2 to 5 times as long and is no closer to the sound (docs/noise.md)
PRIMING = 1024  # samples the AAC encoder puts in front of the sound
_BLOCK = 1024  # samples of an AAC packet
_BLOCKS = 8  # handed to the encoder at once: half a second
_GAP = 0.1  # seconds: a longer hole between packets is filled with silence


@dataclass(frozen=True)
class Sound:
    """A decoded sound.

    Attributes:
        samples: int16 ``(N,)``, 16 kHz mono.
        start: seconds from the container's zero to the first sample.
        broken_packets: packets that could not be decoded.
        missing_packets: packets that the file announces and does not hold.
    """

    samples: np.ndarray
    start: Fraction
    broken_packets: int = 0
    missing_packets: int = 0

    def check(self) -> None:
        """Raises `Damaged` when packets are missing or could not be decoded."""
        if self.broken_packets:
            raise Damaged(f"{self.broken_packets} packets of the sound could not be decoded")
        if self.missing_packets:
            raise Damaged(f"the file is cut off: {self.missing_packets} packets of its sound are not in it")


def read_sound(path: Path, stop: threading.Event | None = None) -> Sound:
    """Decode the first sound stream; about 115 MB of memory per hour. No samples at all is a valid, empty sound.

    Raises:
        MediaError: not a media file, or no sound stream (ffmpeg's own words).
        Stopped: `stop` was set.
    """
    with av.open(f"file:{path}") as container:
        if not container.streams.audio:
            raise MediaError(f"{path} has no audio stream")
        stream = container.streams.audio[0]
        stream.thread_count = 1
        collector = _Collector(stream.time_base)
        end, seen, broken = None, 0, 0  # end: ticks of the stream
        for packet in container.demux(stream):
            if stop is not None and stop.is_set():
                raise Stopped("stopped")
            seen += packet.size > 0
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                broken += 1
                continue
            if packet.pts is not None and packet.duration:
                end = packet.pts + packet.duration
            for frame in frames:
                collector.add(frame)
        collector.flush()
        missing = missing_packets(container, stream, seen)
        samples = np.frombuffer(collector.samples, np.int16)
        start = collector.start or Fraction(0)
        if end is not None and "mp4" in container.format.name:
            samples = _without_padding(samples, round((end * stream.time_base - start) * SAMPLE_RATE))
    return Sound(samples, start, broken, missing)


def _without_padding(samples: np.ndarray, length: int) -> np.ndarray:
    """Cut the silence that fills an encoder's last packet: mp4 files state where the sound ends."""
    surplus = len(samples) - length
    return samples[:length] if 0 < surplus < 2 * _BLOCK and length > 0 else samples


def write_wav(path: Path, samples: np.ndarray) -> None:
    """Write int16 samples as a 16 kHz mono PCM16 wav file, which appears whole or not at all."""
    with atomic.atomic_path(path) as part, wave.open(str(part), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.astype("<i2", copy=False).tobytes())


class _Collector:
    """Frames of a stream -> 16 kHz mono bytes, with holes in time filled.

    Args:
        tick: seconds of the frames' clock.
    """

    def __init__(self, tick: Fraction) -> None:
        self.samples = bytearray()  # grows in place: no second copy of a long sound
        self.start: Fraction | None = None
        self._tick, self._seconds = tick, float(tick)  # fractions take too long to be used for every frame
        self._resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE)
        self._expected: float | None = None  # ticks: where the next frame should begin

    def add(self, frame: av.AudioFrame) -> None:
        pts = frame.pts
        if pts is not None:
            if self.start is None:
                self.start = pts * self._tick
            elif self._expected is not None and (pts - self._expected) * self._seconds > _GAP:
                self.flush()
                self._resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE)
                missing = round((pts * self._tick - self.start) * SAMPLE_RATE) - len(self.samples) // 2
                self.samples.extend(bytes(2 * max(0, missing)))
            self._expected = pts + frame.samples / (frame.sample_rate * self._seconds)
        self._take(self._resampler.resample(frame))

    def flush(self) -> None:
        if self._expected is not None:
            self._take(self._resampler.resample(None))

    def _take(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            self.samples.extend(memoryview(frame.planes[0])[: 2 * frame.samples])


class SoundTrack:
    """Writes int16 samples as the AAC stream of an output container, a stretch at a time.

    The encoder's priming is hidden by the file's edit list. A positive `start` needs `hide_priming` (`mp4_edit.py`)
    afterwards, because the muxer hides priming only before time zero; packets are then timed as if there was none.
    """

    def __init__(self, output: av.container.OutputContainer, samples: np.ndarray, start: Fraction) -> None:
        self._output, self._samples = output, samples
        self._first = round(start * SAMPLE_RATE)
        self._shift = PRIMING if self._first > 0 else 0
        self._position = 0  # samples written
        self._stream = output.add_stream("aac", rate=SAMPLE_RATE)
        context = self._stream.codec_context
        context.layout, context.bit_rate, context.time_base = "mono", AAC_BITS, Fraction(1, SAMPLE_RATE)
        context.thread_count, context.options = 1, {"aac_coder": AAC_CODER}
        self._stream.time_base = context.time_base

    def write_until(self, seconds: float) -> None:
        """Encode all stretches that begin before `seconds`."""
        while self._position < len(self._samples) and self._first + self._position < seconds * SAMPLE_RATE:
            self._write_stretch()

    def finish(self) -> None:
        """Encode the rest."""
        while self._position < len(self._samples):
            self._write_stretch()
        if len(self._samples):
            self._mux(self._stream.encode(None))

    def _write_stretch(self) -> None:
        samples = self._samples[self._position : self._position + _BLOCKS * _BLOCK]
        stretch = samples.astype(np.float32)[None] / np.float32(32768)
        frame = av.AudioFrame.from_ndarray(stretch, format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
        frame.pts = self._first + self._position
        self._position += len(samples)
        self._mux(self._stream.encode(frame))

    def _mux(self, packets: list[av.Packet]) -> None:
        for packet in packets:
            packet.pts += self._shift
            packet.dts = packet.pts
            self._output.mux_one(packet)
