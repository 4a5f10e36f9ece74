"""librosa features at 22050 Hz, 100 frames a second: mel_spec (128 mel powers), mfcc (40 MFCC + delta + delta-delta).

McFee et al., "librosa: Audio and music signal analysis in Python", SciPy 2015. Windows of 25 ms each 10 ms in a
2048-point transform; frames are centred, with zeros beyond both ends of the clip (librosa's default since 0.10), so
any clip has a frame. The computation is done in `load`, where worker processes share it when --num_workers asks for
some: a 4 s clip takes 12 ms, and librosa's first call in each process 2 s.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from feature_extraction.audio.computed_in_load import ComputedInLoad
from feature_extraction.audio.wav_reader import WavReader
from feature_extraction.contract import Output, Sample
from toolkit.utils.errors import UserError

LIBROSA_SETS = {"mel_spec": 128, "mfcc": 120}  # name: width
RATE = 22050  # Hz, librosa's default
WINDOW = 551  # samples: 25 ms
HOP = 220  # samples: 10 ms
FFT = 2048
MELS = 128
COEFFICIENTS = 40
DELTA_WIDTH = 9  # frames of the slope that a delta is


@dataclass(frozen=True)
class LibrosaLoad:
    """Sample -> ``(T, D)`` float32; picklable."""

    feature_set: str
    read: WavReader = WavReader(RATE)

    def __call__(self, sample: Sample) -> np.ndarray:
        import librosa

        wave = self.read(sample)
        shape = {"n_fft": FFT, "win_length": WINDOW, "hop_length": HOP, "n_mels": MELS}
        with warnings.catch_warnings():
            # a clip shorter than the transform: its frames are padded with zeros, as those at the ends of any clip
            warnings.filterwarnings("ignore", message="n_fft=.* is too large", category=UserWarning)
            if self.feature_set == "mel_spec":
                rows = librosa.feature.melspectrogram(y=wave, sr=RATE, **shape)  # (128, T)
            else:
                mfcc = librosa.feature.mfcc(y=wave, sr=RATE, n_mfcc=COEFFICIENTS, **shape)
                delta = _delta(mfcc)
                rows = np.concatenate([mfcc, delta, _delta(delta)])  # (120, T)
        return np.ascontiguousarray(rows.T, dtype=np.float32)


def _delta(rows: np.ndarray) -> np.ndarray:
    """Slope over 9 frames ``(D, T)``; at the ends that of the outermost 9, under 9 frames with the ends repeated."""
    import librosa

    mode = "interp" if rows.shape[1] >= DELTA_WIDTH else "nearest"
    return librosa.feature.delta(rows, width=DELTA_WIDTH, mode=mode)


class LibrosaExtractor(ComputedInLoad):
    """One of `LIBROSA_SETS`; UTTERANCE is the mean over frames."""

    formula = "librosa, 22050 Hz, 25 ms windows each 10 ms, 2048-point transform, centred, zeros beyond the ends"

    def __init__(self, feature_set: str) -> None:
        if feature_set not in LIBROSA_SETS:
            raise UserError(f"librosa feature set {feature_set!r} is unknown; known: {', '.join(LIBROSA_SETS)}")
        self.outputs = (Output(feature_set, LIBROSA_SETS[feature_set]),)
        self.load = LibrosaLoad(feature_set)
