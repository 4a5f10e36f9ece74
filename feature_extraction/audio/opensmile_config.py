"""openSMILE configuration files of the user's own, for example those of the openSMILE 2.3.0 distribution.

Such a file reads a wav and writes a csv, both named by options (``-I clip.wav``, ``-csvoutput out.csv`` for
functionals, ``-lldcsvoutput out.csv`` for descriptors: the options of the distribution's own program SMILExtract). The
opensmile package's library takes the same options, so no other program is needed. Files written for the package
instead (they have a ``source`` option, see the documentation of `opensmile.Smile`) are passed to it as they are.
"""

from __future__ import annotations

import csv
import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from feature_extraction.audio.wav_reader import SAMPLE_RATE, WavReader
from feature_extraction.contract import Sample, SampleError
from feature_extraction.notes import note
from toolkit.globals import PATH_TO_PRETRAINED_MODELS
from toolkit.utils.errors import UserError

DISTRIBUTION = "opensmile-2.3.0"
CONFIG_FILES = {  # below <distribution>/config
    "eGeMAPS": "gemaps/eGeMAPSv01a.conf",
    "IS09": "IS09_emotion.conf",
    "IS10": "IS10_paraling.conf",
    "IS13": "IS13_ComParE.conf",
}
PACKAGE = "package"  # value of --opensmile_config: the package's own configuration
CSV_OPTIONS = {"UTTERANCE": "csvoutput", "FRAME": "lldcsvoutput"}
TOO_SHORT = "shorter than one frame of the openSMILE set: a zero row"
NOT_FEATURES = {"name", "frameTime", "frameIndex"}  # columns of the csv


def choose_config(feature_set: str, chosen: str | None, tools: Path | None = None) -> Path | None:
    """The configuration file for a set: the `chosen` one, else that of tools/opensmile-2.3.0 when it is there.

    None means the package's own (also for `chosen` = "package").

    Raises:
        UserError: the chosen file does not exist.
    """
    if chosen == PACKAGE:
        return None
    if chosen:
        path = Path(chosen).expanduser().resolve()
        if not path.is_file():
            raise UserError(f"--opensmile_config {chosen}: no such file; give a .conf file, or {PACKAGE}")
        return path
    if feature_set not in CONFIG_FILES:
        return None
    path = (tools or PATH_TO_PRETRAINED_MODELS) / DISTRIBUTION / "config" / CONFIG_FILES[feature_set]
    return path if path.is_file() else None


def is_package_template(config: Path) -> bool:
    """Whether a file has the ``source`` option by which the opensmile package feeds it sound."""
    return r"\cm[source" in config.read_text(encoding="utf-8", errors="replace")


class ConfigLoad:
    """Sample -> ``(1, D)`` functionals or ``(T, D)`` descriptors, no row for a clip that is too short; picklable."""

    def __init__(self, config: Path, level: str) -> None:
        if not str(config).isascii():
            raise UserError(f"{config}: openSMILE takes plain ASCII paths only; copy the folder to such a place")
        self.config = config
        self.option = CSV_OPTIONS[level]
        self.read = WavReader()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "width"}

    @functools.cached_property
    def width(self) -> int:
        """D, from the csv's header for one second of a soft noise."""
        noise = np.random.default_rng(0).normal(0.0, 0.05, SAMPLE_RATE)
        rows = self._run(noise)
        if not rows.size:
            raise UserError(f"{self.config}: gave no row for one second of sound")
        return rows.shape[1]

    def __call__(self, sample: Sample) -> np.ndarray:
        from opensmile.core.lib import OpenSmileException

        wave = self.read(sample)
        try:
            rows = self._run(wave)
        except OpenSmileException as error:
            raise SampleError(f"{sample.path}: openSMILE failed with code {error.code}") from error
        if not rows.size:
            note(TOO_SHORT)
            return np.empty((0, self.width), np.float32)
        return rows

    def _run(self, wave: np.ndarray) -> np.ndarray:
        """Rows ``(T, D)`` float32 for a wave ``(n,)`` in -1..1; ``(0, 0)`` when it is too short."""
        from opensmile.core.lib import OpenSMILE

        values = np.clip(wave * 32768.0, -32768, 32767).astype(np.int16)
        with tempfile.TemporaryDirectory(prefix="mer-opensmile-") as folder:  # its name is ASCII whatever the clip's is
            sound, table = Path(folder, "clip.wav"), Path(folder, "rows.csv")
            soundfile.write(sound, values, SAMPLE_RATE, subtype="PCM_16")
            smile = OpenSMILE()
            smile.initialize(str(self.config), {"I": str(sound), self.option: str(table)}, loglevel=0)
            try:
                smile.run()
            finally:
                smile.free()
            return _read_rows(table)


def _read_rows(path: Path) -> np.ndarray:
    if not path.is_file():  # some sinks write no header when they get no row
        return np.empty((0, 0), np.float32)
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file, delimiter=";", quotechar="'") or [[]]
    keep = [place for place, name in enumerate(header) if name not in NOT_FEATURES]
    values = [[float(row[place]) for place in keep] for row in rows]
    return np.array(values, np.float32).reshape(len(values), len(keep) if values else 0)
