"""What made the faces of a folder: ``backend.json``. A folder holds faces of one back end with one set of settings."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from feature_extraction.manifest import locked
from feature_extraction.visual.face_files import face_path, remove_clip
from feature_extraction.visual.video_faces import FaceOptions
from toolkit.utils import atomic
from toolkit.utils.errors import UserError

RECORD = "backend.json"
KNOWN = ("openface", "mtcnn")
DEFAULTS = asdict(FaceOptions())  # of MTCNN's settings; OpenFace has none


@dataclass(frozen=True)
class FaceRecord:
    """A back end, and those of its settings that change faces."""

    backend: str
    settings: Mapping[str, int] = field(default_factory=dict)

    def flags(self) -> str:
        """As on the command line."""
        return " ".join([f"--backend {self.backend}", *(f"--{key} {value}" for key, value in self.settings.items())])


def read_record(folder: Path) -> FaceRecord | None:
    """What `folder` was begun with; None when it is new, was made elsewhere, or the record is damaged.

    A record without settings was written with the defaults.
    """
    try:
        content = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or content.get("backend") not in KNOWN:
        return None
    settings = {key: content.get(key, value) for key, value in DEFAULTS.items()}
    if any(type(value) is not int or value < 1 for value in settings.values()):
        return None
    return FaceRecord(content["backend"], settings if content["backend"] == "mtcnn" else {})


def claim_faces(folder: Path, record: FaceRecord, overwrite: bool) -> str:
    """State in `folder` that a run fills it with faces of `record`; returns a remark for the user, or "".

    With `overwrite`, the faces of all clips go when another record made them: they could not be told from the new ones,
    and a run of some clips, or one that is killed, would leave a mixture. Of a killed overwrite with the same record no
    trace is needed: what it has not done again is what it would write.

    Raises:
        UserError: faces of another record are there, and `overwrite` is not set.
        OSError: they cannot be removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):  # shards that begin together: one removes
        begun, remark = read_record(folder), ""
        if begun not in (None, record):
            if not overwrite:
                raise UserError(
                    f"{folder} was begun with {begun.flags()}, and this run has {record.flags()}: faces of the two "
                    f"differ; {_ways_on(begun, record)}, or --overwrite to remove all its faces and do all clips again"
                )
            removed = remove_faces(folder)
            if removed:
                remark = f"{folder.name}: the faces of {removed} clips, made with {begun.flags()}, were removed"
        elif begun is None and (count := len(clip_names(folder))):
            remark = (
                f"{folder.name}: {count} clips had faces of unknown origin; those not done now are kept as they are"
            )
        if begun != record:
            text = json.dumps({"backend": record.backend, **record.settings})
            atomic.write_text(folder / RECORD, text + "\n")
    return remark


def clip_names(folder: Path) -> list[str]:
    """The clips that have an array in `folder`, in name order."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir())
    return [name for name in names if face_path(folder, name).is_file()]


def remove_faces(folder: Path) -> int:
    """Remove the arrays and csv files of all clips in `folder`; returns of how many."""
    names = clip_names(folder)
    for name in names:
        remove_clip(folder, name)
    return len(names)


def _ways_on(begun: FaceRecord, record: FaceRecord) -> str:
    if begun.backend != record.backend:
        return f"give --backend {begun.backend}"
    return "leave these flags out, or give the first ones"
