"""Choosing the back end of the face step, once per folder: arrays of two back ends in one folder would be a trap."""

from __future__ import annotations

import json
from pathlib import Path

from feature_extraction.visual.faces import FaceBackend, MtcnnBackend
from feature_extraction.visual.openface_backend import OpenFaceBackend
from feature_extraction.visual.openface_program import IMAGE_PROGRAM, VIDEO_PROGRAM, find_program, require_program
from feature_extraction.visual.video_faces import FaceOptions
from toolkit.utils import atomic
from toolkit.utils.errors import UserError

BACKENDS = ("auto", "openface", "mtcnn")
RECORD = "backend.json"


def choose_backend(
    wanted: str, clip_type: str, options: FaceOptions, folder: Path, overwrite: bool = False
) -> FaceBackend:
    """The back end for a run that writes into `folder`, recorded there.

    ``auto`` is what the folder was begun with; for a new one OpenFace where it is installed, else MTCNN.

    Raises:
        UserError: OpenFace is wanted and not there, or `folder` has faces of the other back end (`overwrite` allows).
    """
    program = IMAGE_PROGRAM if clip_type == "faceDir" else VIDEO_PROGRAM
    begun = None if overwrite else _recorded(folder)
    if wanted == "auto":
        wanted = begun or ("openface" if find_program(program) else "mtcnn")
    elif begun not in (None, wanted):
        raise UserError(
            f"{folder} was begun with --backend {begun}, and faces of {wanted} look different (another alignment, "
            f"another background); give --backend {begun}, or --overwrite to do all clips again"
        )
    backend = OpenFaceBackend(require_program(program)) if wanted == "openface" else MtcnnBackend(options)
    folder.mkdir(parents=True, exist_ok=True)
    if _recorded(folder) != wanted:
        atomic.write_text(folder / RECORD, json.dumps({"backend": wanted}) + "\n")
    return backend


def _recorded(folder: Path) -> str | None:
    """The back end that `folder` was begun with; None when it is new, or was made elsewhere."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    name = record.get("backend") if isinstance(record, dict) else None
    return name if name in BACKENDS[1:] else None
