"""openSMILE feature sets: UTTERANCE = functionals of the clip, FRAME = low-level descriptors, 100 frames a second.

Eyben et al., "openSMILE: the Munich versatile and fast open-source audio feature extractor", ACM MM 2010; the sets:
eGeMAPS v01a (Eyben et al. 2016), IS09, IS10, IS13 (the INTERSPEECH challenges of Schuller et al., IS13 = ComParE).
The computation is C code on the CPU, so it is done in `load`, where worker processes share it: as many as cores, unless
--num_workers says otherwise.

A clip too short for one frame of a set (under 25 ms for IS09, 60 ms for eGeMAPS and IS13, 70 ms for IS10) has no row,
which is saved as a zero row; an unreadable or empty file is a failure.
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_extraction.audio.computed_in_load import ComputedInLoad
from feature_extraction.audio.opensmile_config import TOO_SHORT, ConfigLoad, is_package_template
from feature_extraction.audio.wav_reader import SAMPLE_RATE, WavReader
from feature_extraction.contract import Output, Sample
from feature_extraction.notes import note
from feature_extraction.policy import MAX_COPIES, cores
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
    """Sample -> ``(1, D)`` functionals or ``(T, D)`` descriptors, no row for a clip that is too short; picklable.

    `feature_set` is the package's name of a set, or the path of a configuration file in the package's template.
    """

    def __init__(self, feature_set: str | Path, feature_level: str) -> None:
        self.feature_set = feature_set
        self.feature_level = feature_level
        self.read = WavReader()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "smile"}

    @functools.cached_property
    def smile(self) -> opensmile.Smile:
        """The openSMILE session of this process (its C side cannot be pickled)."""
        import opensmile

        chosen = self.feature_set
        with warnings.catch_warnings():
            # The package deprecates eGeMAPSv01a; it is the set that the challenge and its papers use.
            warnings.filterwarnings("ignore", message=".*is deprecated, consider switching", category=UserWarning)
            return opensmile.Smile(
                feature_set=str(chosen) if isinstance(chosen, Path) else opensmile.FeatureSet[chosen],
                feature_level=self.feature_level,
            )

    def __call__(self, sample: Sample) -> np.ndarray:
        wave = np.clip(self.read(sample), -1.0, LOUDEST)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*too short", category=UserWarning)
            try:
                values = self.smile(wave, SAMPLE_RATE)  # (1 channel, D, T)
            except UserWarning:  # not one frame
                note(TOO_SHORT)
                return np.empty((0, self.smile.num_features), np.float32)
        return np.ascontiguousarray(values[0].T, dtype=np.float32)


class OpensmileExtractor(ComputedInLoad):
    """One feature set at one level; needs no model file.

    Args:
        feature_set: a name of `FEATURE_SETS`; with `config` any name for the folder (descriptors: its level `lld`).
        level: UTTERANCE or FRAME.
        config: a configuration file to use instead of the package's.

    Raises:
        UserError: the set is unknown, or the configuration does not work or gives another width than the set has.
    """

    def __init__(self, feature_set: str, level: str, config: Path | None = None) -> None:
        known = FEATURE_SETS.get(feature_set)
        if known is None and config is None:
            raise UserError(f"openSMILE feature set {feature_set!r} is unknown; known: {', '.join(FEATURE_SETS)}")
        feature_level = "func" if level == "UTTERANCE" else known.frame_level if known else "lld"
        width = 0 if known is None else known.width if level == "UTTERANCE" else known.frame_width
        if config is None:
            self.load = OpensmileLoad(known.package_name, feature_level)
        else:
            self.load = (
                OpensmileLoad(config, feature_level) if is_package_template(config) else ConfigLoad(config, level)
            )
            found = _config_width(self.load, config)
            if known and found != width:
                raise UserError(
                    f"{config}: gives {found} values at level {level}, but {feature_set} has {width}; "
                    "name another file, or use --opensmile_config package"
                )
            width = found
        self.outputs = (Output(feature_set, width),)
        self.default_workers = min(cores(), MAX_COPIES) if cores() > 1 else 0
        self.formula = f"openSMILE, {f'{config.name} of your own' if config else 'the package'}, level {feature_level}"
        self.weights = config  # its fingerprint tells two configurations of one name apart


def _config_width(load: OpensmileLoad | ConfigLoad, config: Path) -> int:
    """How many values a configuration gives, found by starting it."""
    try:
        return load.smile.num_features if isinstance(load, OpensmileLoad) else load.width
    except Exception as error:  # the package raises its own types, among them plain Exception
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{config}: openSMILE cannot work with it ({reason}); use --opensmile_config package"
        ) from error
