"""What a feature was computed from, as far as its folder's name tells, and what its manifest says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolkit.check.subject import Subject, list_files
from toolkit.data.features import LEVEL_SUFFIX, split_feature_name
from toolkit.dataloader.modalities import known_modality

_CONDITION = re.compile(r"[-_](?P<kind>noise|tts|punc)(?P<case>[^-_]+)")
# For models that no table lists: words of their names.
_WORDS = {
    "A": re.compile(r"whisper|wav2vec|hubert|wavlm|audio|emotion2vec|mfcc|mel_spec|vggish", re.IGNORECASE),
    "V": re.compile(r"face|xception|videomae|clip-vit|dino|vision|eva02|resnet|senet", re.IGNORECASE),
    "T": re.compile(r"bert|minilm|electra|xlnet|llama|gpt|langeng|sentence|bloom|glm", re.IGNORECASE),
}


@dataclass(frozen=True)
class Source:
    """When the source of each clip changed (seconds), or `whole`: that of all clips; `words` for sentences.

    `modality` is "A", "T", "V", or "" where the folder's name does not tell.
    """

    modality: str = ""
    words: str = ""
    changed: Mapping[str, float] | None = None
    whole: float | None = None

    def newer_than(self, name: str, time: float) -> bool:
        """Whether the clip's source changed after `time`."""
        newest = self.whole if self.changed is None else self.changed.get(name)
        return newest is not None and newest > time


def modality(stem: str) -> str | None:
    """``"A"``, ``"T"``, ``"V"`` from the table of features, else from words in the name, else None."""
    found = known_modality(_CONDITION.sub("", stem))
    return found or next((key for key, words in _WORDS.items() if words.search(stem)), None)


def find_source(subject: Subject, folder: str) -> Source:
    """The source of the feature folder named `folder`."""
    stem = split_feature_name(folder)[0]
    kind, match = modality(stem), _CONDITION.search(stem)
    condition = {match["kind"]: match["case"]} if match else {}
    paths = subject.paths
    if kind == "A":
        place = paths.audio
        if "noise" in condition:
            place = paths.audio.with_name(f"{paths.audio.name}_{condition['noise']}")
        elif "tts" in condition:
            place = paths.audio.with_name(f"audio-tts{condition['tts']}16k")
        known = subject.changed.get("audio") if place == paths.audio else None
        return Source(kind, f"{place.name}/", known or _times(place))
    if kind == "V":
        return Source(kind, f"{paths.face.name}/", subject.changed.get("face") or _face_times(paths.face))
    if kind == "T":
        table = paths.transcript
        if "punc" in condition:
            table = table.with_name(f"{table.stem}-{condition['punc']}.csv")
        if not table.is_file():
            return Source(kind, f"{table.name} (absent)")
        return Source(kind, table.name, whole=table.stat().st_mtime)
    return Source()


def _times(folder: Path) -> dict[str, float]:
    if not folder.is_dir():
        return {}
    return {name: files[0].stat().st_mtime for name, files in list_files(folder, (".wav",))[0].items()}


def _face_times(folder: Path) -> dict[str, float]:
    if not folder.is_dir():
        return {}
    arrays = {place.name: place / f"{place.name}.npy" for place in folder.iterdir()}
    return {name: array.stat().st_mtime for name, array in arrays.items() if array.is_file()}


def manifest_faults(folder: Path, width: int | None, files: int) -> list[str]:
    """In which ways ``manifest.json`` does not fit the folder; [] where there is none or it fits."""
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (ValueError, OSError, RecursionError) as error:
        return [f"cannot be read ({' '.join(str(error).split())})"]
    if not isinstance(manifest, dict):
        return ["holds no table"]
    stem, _, suffix = split_feature_name(folder.name)
    faults = []
    for key, found in (("feature", stem), ("width", width)):
        if found is not None and manifest.get(key, found) != found:
            faults.append(f"{key} {manifest[key]}, the folder has {found}")
    level = manifest.get("level")
    if isinstance(level, str) and LEVEL_SUFFIX.get(level, suffix) != suffix:
        faults.append(f"level {level}, the folder is named {suffix}")
    counts = manifest.get("counts")
    counted = counts.get("files") if isinstance(counts, dict) else None
    if isinstance(counted, int) and counted != files:
        faults.append(f"{counted:,} files at the end of the last run, now {files:,}")
    kept = manifest.get("kept_without_manifest")
    if isinstance(kept, int) and kept > 0:
        faults.append(f"{kept:,} files of unknown origin were there before it")
    return faults
