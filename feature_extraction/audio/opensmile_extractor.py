"""openSMILE feature sets: UTTERANCE = functionals of the clip, FRAME = low-level descriptors, 100 frames a second.

Eyben et al., "openSMILE: the Munich versatile and fast open-source audio feature extractor", ACM MM 2010; the sets:
eGeMAPS v01a (Eyben et al. 2016), IS09, IS10, IS13 (the INTERSPEECH challenges of Schuller et al., IS13 = ComParE).
The computation is C code on the CPU, so it is done in `load`, where worker processes share it; `extract` passes on.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_extraction.audio.wav_reader import SAMPLE_RATE, WavReader
from feature_extraction.contract import Extractor, Output, Sample, SampleError
from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    import opensmile


@dataclass(frozen=True)
class FeatureSet:
    """One openSMILE set: the package's name of it, widths, and the levels of its low-level descriptors."""

    package_name: str
    width: int
    frame_width: int
    frame_level: str = "lld;lld_de"  # descriptors, then their deltas, in one row


FEATURE_SETS: dict[str, FeatureSet] = {
    "eGeMAPS": FeatureSet("eGeMAPSv01a", 88, 23, "lld"),  # has no deltas
    "IS09": FeatureSet("IS09", 384, 32),
    "IS10": FeatureSet("IS10", 1582, 76),
    "IS13": FeatureSet("IS13", 6373, 130),
}
LOUDEST = 32767 / 32768  # opensmile multiplies by 32768 and casts to int16: 1.0 would wrap to the most negative value


class OpensmileLoad:
    """Sample -> ``(1, D)`` functionals or ``(T, D)`` descriptors; picklable (the C side is made where it is used)."""

    def __init__(self, feature_set: FeatureSet, level: str) -> None:
        self.feature_set = feature_set
        self.level = level
        self.read = WavReader()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "smile"}

    @functools.cached_property
    def smile(self) -> opensmile.Smile:
        """The openSMILE session of this process."""
        import opensmile

        with warnings.catch_warnings():
            # The package deprecates eGeMAPSv01a; it is the set that the challenge and its papers use.
            warnings.filterwarnings("ignore", message=".*is deprecated, consider switching", category=UserWarning)
            return opensmile.Smile(
                feature_set=opensmile.FeatureSet[self.feature_set.package_name],
                feature_level="func" if self.level == "UTTERANCE" else self.feature_set.frame_level,
            )

    def __call__(self, sample: Sample) -> np.ndarray:
        wave = np.clip(self.read(sample), -1.0, LOUDEST)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*too short", category=UserWarning)
            try:
                values = self.smile(wave, SAMPLE_RATE)  # (1 channel, D, T)
            except UserWarning as warning:
                milliseconds = 1000 * len(wave) / SAMPLE_RATE
                raise SampleError(
                    f"{sample.path}: {milliseconds:.1f} ms of sound are too short for openSMILE"
                ) from warning
        return np.ascontiguousarray(values[0].T, dtype=np.float32)


class OpensmileExtractor(Extractor):
    """One feature set at one level; needs no model file."""

    modality = "audio"

    def __init__(self, feature_set: str, level: str) -> None:
        if feature_set not in FEATURE_SETS:
            raise UserError(f"openSMILE feature set {feature_set!r} is unknown; known: {', '.join(FEATURE_SETS)}")
        known = FEATURE_SETS[feature_set]
        self.outputs = (Output(feature_set, known.width if level == "UTTERANCE" else known.frame_width),)
        self.load = OpensmileLoad(known, level)

    def extract(self, batch: Sequence[np.ndarray]) -> list[tuple[np.ndarray, ...]]:
        """The arrays that `load` made, one output each."""
        return [(rows,) for rows in batch]
