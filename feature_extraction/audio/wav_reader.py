"""Reading a clip's sound: any wav becomes mono float32 at 16 kHz, a block at a time; what was converted is remarked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feature_extraction.audio.riff import announced_frames
from feature_extraction.contract import Sample, SampleError
from feature_extraction.notes import note

if TYPE_CHECKING:
    import soundfile

SAMPLE_RATE = 16000  # Hz
BLOCK = 1 << 20  # frames read at once: a two-hour file in stereo needs no second copy of itself
LOUDEST = 1e6  # 120 dB above full scale: no sound, and its square may leave float32
MARGIN = 0.5  # seconds read beyond a limit, so that the resampling filter sees what follows


def read_wav(path: Path, rate: int = SAMPLE_RATE, max_seconds: float | None = None) -> np.ndarray:
    """Samples ``(n,)`` float32 in -1..1 at `rate` Hz, n >= 1: channels averaged, other rates resampled (soxr, HQ).

    With `max_seconds` no more than the beginning is read. Conversions to 16 kHz mono, 8-bit samples and silence are
    remarked (`notes.note`).

    Raises:
        SampleError: the file is missing, unreadable, cut short, without a sample, or holds NaN, infinity or an
            absurd value.
    """
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as sound:
            _refuse_cut(path, sound)
            wave = _resampled(sound, rate, max_seconds)
            _remark_conversions(sound, rate)
    except (OSError, RuntimeError) as error:  # soundfile's own errors are RuntimeErrors
        reason = " ".join(getattr(error, "error_string", str(error)).split())
        raise SampleError(f"{path}: unreadable sound ({reason}); make the wav again") from error
    if not len(wave):
        raise SampleError(f"{path}: holds no sound (0 samples); make the wav again or remove the clip")
    lowest, highest = wave.min(), wave.max()
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise SampleError(f"{path}: holds NaN or infinity; make the wav again")
    if max(-lowest, highest) > LOUDEST:
        loudest = highest if highest > -lowest else lowest
        raise SampleError(f"{path}: holds a sample of {loudest:.3g}, where sound lies in -1..1; make the wav again")
    if lowest == highest:
        note("silent: every sample has the same value")
    return wave


def _refuse_cut(path: Path, sound: soundfile.SoundFile) -> None:
    announced = announced_frames(path)
    if announced is not None and announced > sound.frames:
        raise SampleError(
            f"{path}: cut short: its header announces {announced / sound.samplerate:.2f} s, the file holds "
            f"{sound.frames / sound.samplerate:.2f} s; make the wav again"
        )


def _remark_conversions(sound: soundfile.SoundFile, rate: int) -> None:
    if rate == SAMPLE_RATE != sound.samplerate:
        note(f"{sound.samplerate} Hz resampled to {SAMPLE_RATE} Hz")
    if sound.channels > 1:
        note(f"{sound.channels} channels averaged to one")
    if sound.subtype in ("PCM_U8", "PCM_S8"):
        note("8-bit samples: quantisation noise is audible")


def _resampled(sound: soundfile.SoundFile, rate: int, max_seconds: float | None) -> np.ndarray:
    """The sound at `rate`; memory: the result and a block."""
    wanted = sound.frames
    if max_seconds is not None:
        margin = 0.0 if sound.samplerate == rate else MARGIN
        wanted = min(wanted, round((max_seconds + margin) * sound.samplerate))
    if sound.samplerate == rate:
        wave = np.empty(wanted, np.float32)
        filled = 0
        for block in _mono_blocks(sound, wanted):
            wave[filled : filled + len(block)] = block
            filled += len(block)
        wave = wave[:filled]
    else:
        import soxr

        stream = soxr.ResampleStream(sound.samplerate, rate, 1, dtype="float32")
        parts = [stream.resample_chunk(block) for block in _mono_blocks(sound, wanted)]
        parts.append(stream.resample_chunk(np.zeros(0, np.float32), last=True))
        wave = np.concatenate(parts)
    return wave if max_seconds is None else wave[: round(max_seconds * rate)]


def _mono_blocks(sound: soundfile.SoundFile, wanted: int) -> Iterator[np.ndarray]:
    """The first `wanted` frames, channels averaged, in blocks ``(n,)`` float32."""
    while wanted > 0:
        block = sound.read(min(BLOCK, wanted), dtype="float32", always_2d=True)  # (n, channels)
        if not len(block):
            return
        wanted -= len(block)
        yield block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)


@dataclass(frozen=True)
class WavReader:
    """`read_wav` as a picklable `Extractor.load`."""

    rate: int = SAMPLE_RATE
    max_seconds: float | None = None

    def __call__(self, sample: Sample) -> np.ndarray:
        if sample.path is None:
            raise SampleError(f"{sample.name}: has no sound file")
        return read_wav(sample.path, self.rate, self.max_seconds)
