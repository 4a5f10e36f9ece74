"""Writing one clip: pictures and new sound side by side, whole or not at all."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from toolkit.noise.mp4_edit import hide_priming
from toolkit.noise.picture_packets import CannotCopy, ShownFrames, copy_packets, video_stream
from toolkit.noise.pictures import PictureTrack
from toolkit.noise.sound import PRIMING, Sound, SoundTrack
from toolkit.preprocess.media import SAMPLE_RATE, MediaError
from toolkit.utils import atomic

_FINEST_TICK = 1_000_000  # of the file's clock: the limit below which streams' clocks are made to agree


@dataclass(frozen=True)
class Written:
    """What was written: number of frames, the codec ("copy" for copied packets)."""

    frames: int
    video_codec: str


def write_clip(
    source: Path, target: Path, sound: Sound, rate: int, video_codec: str, stop: threading.Event | None = None
) -> Written:
    """Write `target` (mp4): the pictures of `source` blurred by `rate`, and `sound` as AAC; all times are kept.

    Raises:
        MediaError: no pictures, or no frame could be decoded.
        Damaged: the pictures are cut off or partly undecodable.
    """
    with atomic.atomic_path(target) as part:
        written = None
        if video_codec == "copy_when_sharp" and rate == 1:
            try:
                written = _write(source, part, sound, rate, "copy", stop)
            except CannotCopy:
                pass
        if written is None:
            codec = "libx264" if video_codec == "copy_when_sharp" else video_codec
            written = _write(source, part, sound, rate, codec, stop)
        if sound.start > 0 and len(sound.samples):
            hide_priming(part, PRIMING)
        return written


def _write(source: Path, part: Path, sound: Sound, rate: int, codec: str, stop: threading.Event | None) -> Written:
    with av.open(f"file:{source}") as container:
        stream = video_stream(container, source)
        # mp4 cannot show what lies before its time zero; such clips are moved as a whole
        earliest = min(Fraction(0), sound.start, (stream.start_time or 0) * stream.time_base)
        shift = math.ceil(-earliest / stream.time_base)
        options = {"movie_timescale": str(_movie_clock(stream.time_base)), "movflags": "+write_colr"}
        with av.open(f"file:{part}", "w", format="mp4", options=options) as output:
            track = SoundTrack(output, sound.samples, sound.start + shift * stream.time_base)
            if codec == "copy":
                written = Written(copy_packets(container, stream, output, track, shift, stop), codec)
            else:
                frames = ShownFrames(container, stream, stop)
                written = Written(_encode(source, frames, output, track, rate, codec, shift), codec)
            track.finish()
    return written


def _encode(
    source: Path,
    frames: ShownFrames,
    output: av.container.OutputContainer,
    sound: SoundTrack,
    rate: int,
    codec: str,
    shift: int,
) -> int:
    """Encode all frames with the sound beside them; returns how many."""
    pictures = None
    for frame in frames:
        if pictures is None:
            pictures = PictureTrack(output, frames.stream, frame, codec, rate)
        sound.write_until(pictures.write(frame, shift))
    if pictures is None:
        raise MediaError(f"{source}: no frame could be decoded")
    pictures.finish()
    frames.check()
    return pictures.frames


def _movie_clock(time_base: Fraction) -> int:
    """Ticks per second for the file's edit lists: fine enough for pictures and sound both, where that is possible."""
    common = math.lcm(time_base.denominator, SAMPLE_RATE)
    return common if common <= _FINEST_TICK else SAMPLE_RATE
