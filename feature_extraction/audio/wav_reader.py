"""Reading a clip's sound: any wav becomes mono float32 at 16 kHz."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from feature_extraction.contract import Sample, SampleError

SAMPLE_RATE = 16000  # Hz


def read_wav(path: Path, rate: int = SAMPLE_RATE) -> np.ndarray:
    """Samples ``(n,)`` float32 in -1..1 at `rate` Hz, n >= 1: channels averaged, other rates resampled (soxr, HQ).

    Raises:
        SampleError: the file is missing, unreadable, without a sample, or holds NaN or infinity.
    """
    import soundfile

    try:
        channels, file_rate = soundfile.read(str(path), dtype="float32", always_2d=True)  # (n, channels)
    except (OSError, RuntimeError) as error:  # soundfile's own errors are RuntimeErrors
        reason = " ".join(getattr(error, "error_string", str(error)).split())
        raise SampleError(f"{path}: unreadable sound ({reason}); make the wav again") from error
    wave = channels.mean(axis=1)
    if not np.isfinite(wave).all():
        raise SampleError(f"{path}: holds NaN or infinity; make the wav again")
    if file_rate != rate and len(wave):
        import soxr

        wave = soxr.resample(wave, file_rate, rate)
    if not len(wave):
        raise SampleError(f"{path}: holds no sound (0 samples); make the wav again or remove the clip")
    return np.ascontiguousarray(wave, dtype=np.float32)


@dataclass(frozen=True)
class WavReader:
    """`read_wav` as a picklable `Extractor.load`."""

    rate: int = SAMPLE_RATE

    def __call__(self, sample: Sample) -> np.ndarray:
        if sample.path is None:
            raise SampleError(f"{sample.name}: has no sound file")
        return read_wav(sample.path, self.rate)
