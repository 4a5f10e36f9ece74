"""Choosing the back end of the face step, once per folder: arrays of two back ends in one folder would be a trap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from feature_extraction.visual.face_record import DEFAULTS, FaceRecord, claim_faces, read_record
from feature_extraction.visual.faces import FaceBackend, MtcnnBackend
from feature_extraction.visual.openface_backend import OpenFaceBackend
from feature_extraction.visual.openface_program import IMAGE_PROGRAM, VIDEO_PROGRAM, find_program, require_program
from feature_extraction.visual.video_faces import FaceOptions


def choose_backend(
    wanted: str, clip_type: str, given: Mapping[str, int], folder: Path, overwrite: bool = False
) -> tuple[FaceBackend, list[str]]:
    """The back end for a run that writes into `folder`, recorded there, and remarks for the user.

    ``auto``, and settings of MTCNN that are not `given`, are what the folder was begun with; for a new one (or with
    `overwrite`) OpenFace where it is installed, else MTCNN with its defaults.

    Raises:
        UserError: OpenFace is wanted and not there, or `folder` has faces of another back end or of other settings;
            `overwrite` removes those (`claim_faces`).
    """
    program = IMAGE_PROGRAM if clip_type == "faceDir" else VIDEO_PROGRAM
    begun = None if overwrite else read_record(folder)
    if wanted == "auto":
        wanted = begun.backend if begun else "openface" if find_program(program) else "mtcnn"
    remarks = []
    backend: FaceBackend
    if wanted == "openface":
        backend, record = OpenFaceBackend(require_program(program)), FaceRecord("openface")
    else:
        kept = begun.settings if begun and begun.backend == "mtcnn" else DEFAULTS
        options = FaceOptions(**{**kept, **given})
        backend, record = MtcnnBackend(options), FaceRecord("mtcnn", asdict(options))
        taken = [f"--{key} {value}" for key, value in kept.items() if key not in given and value != DEFAULTS[key]]
        if taken:
            remarks.append(f"{folder.name} was begun with {' '.join(taken)}, and goes on with it")
    remark = claim_faces(folder, record, overwrite)
    return backend, [*remarks, *([remark] if remark else [])]
