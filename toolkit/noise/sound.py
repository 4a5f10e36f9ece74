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
PRIMING = 1024  # samples the AAC encoder puts in front of the sound
_BLOCK = 1024  # samples of an AAC packet
_GAP = Fraction(1, 10)  # seconds: a longer hole between packets is filled with silence


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
        collector = _Collector()
        end, seen, broken = None, 0, 0
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
                end = (packet.pts + packet.duration) * packet.time_base
            for frame in frames:
                collector.add(frame)
        collector.flush()
        missing = missing_packets(container, stream, seen)
        samples = np.frombuffer(collector.samples, np.int16)
        start = collector.start or Fraction(0)
        if end is not None and "mp4" in container.format.name:
            samples = _without_padding(samples, round((end - start) * SAMPLE_RATE))
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
    """Frames -> 16 kHz mono bytes, with holes in time filled."""

    def __init__(self) -> None:
        self.samples = bytearray()  # grows in place: no second copy of a long sound
        self.start: Fraction | None = None
        self._resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE)
        self._expected: Fraction | None = None  # seconds: where the next frame should begin

    def add(self, frame: av.AudioFrame) -> None:
        if frame.pts is not None and frame.time_base:
            time = frame.pts * frame.time_base
            if self.start is None:
                self.start = time
            elif self._expected is not None and time - self._expected > _GAP:
                self.flush()
                self._resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE)
                missing = round((time - self.start) * SAMPLE_RATE) - len(self.samples) // 2
                self.samples.extend(bytes(2 * max(0, missing)))
            self._expected = time + Fraction(frame.samples, frame.sample_rate)
        self._take(self._resampler.resample(frame))

    def flush(self) -> None:
        if self._expected is not None:
            self._take(self._resampler.resample(None))

    def _take(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            self.samples.extend(memoryview(frame.to_ndarray()).cast("B"))


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
        context.thread_count = 1
        self._stream.time_base = context.time_base

    def write_until(self, seconds: Fraction) -> None:
        """Encode all blocks that begin before `seconds`."""
        while self._position < len(self._samples) and Fraction(self._first + self._position, SAMPLE_RATE) < seconds:
            self._write_block()

    def finish(self) -> None:
        """Encode the rest."""
        while self._position < len(self._samples):
            self._write_block()
        if len(self._samples):
            self._mux(self._stream.encode(None))

    def _write_block(self) -> None:
        block = self._samples[self._position : self._position + _BLOCK].astype(np.float32)[None] / np.float32(32768)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
        frame.pts = self._first + self._position
        self._position += block.shape[1]
        self._mux(self._stream.encode(frame))

    def _mux(self, packets: list[av.Packet]) -> None:
        for packet in packets:
            packet.pts += self._shift
            packet.dts = packet.pts
            self._output.mux_one(packet)
