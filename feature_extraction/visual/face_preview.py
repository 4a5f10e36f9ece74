"""Contact sheets: a few aligned faces of each clip in a row, to look at what the face step found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from feature_extraction.visual.face_alignment import FACE_SIZE
from toolkit.utils import atomic

FACES_PER_CLIP = 8
CLIPS_PER_SHEET = 20
CAPTION_HEIGHT = 16  # pixels


def write_contact_sheets(clips: Sequence[tuple[str, Path]], folder: Path, prefix: str = "sheet_") -> list[Path]:
    """Write ``sheet_01.jpg``, ... into `folder`, 20 clips each; older sheets of this prefix are removed.

    Args:
        clips: (name, file of aligned faces ``(T, H, W, 3)`` BGR).
        folder: made if needed.
        prefix: of the files' names (every shard of a corpus has its own).

    Returns:
        The sheets written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.jpg"):
        if re.fullmatch(re.escape(prefix) + r"\d+\.jpg", old.name):
            old.unlink()
    sheets = []
    for start in range(0, len(clips), CLIPS_PER_SHEET):
        rows = [_row(name, np.load(path, mmap_mode="r")) for name, path in clips[start : start + CLIPS_PER_SHEET]]
        sheets.append(folder / f"{prefix}{len(sheets) + 1:02d}.jpg")
        with atomic.atomic_path(sheets[-1]) as part:  # OpenCV would take the format from the part file's name
            part.write_bytes(cv2.imencode(".jpg", np.concatenate(rows))[1].tobytes())
    return sheets


def _row(name: str, faces: np.ndarray) -> np.ndarray:
    """A caption above up to 8 faces, evenly spread over the clip, first and last included."""
    row = np.zeros((CAPTION_HEIGHT + FACE_SIZE, FACES_PER_CLIP * FACE_SIZE, 3), np.uint8)
    caption = f"{name} ({len(faces)} faces)".encode("ascii", "replace").decode()  # OpenCV's font knows ASCII only
    cv2.putText(row, caption, (4, CAPTION_HEIGHT - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    count = min(FACES_PER_CLIP, len(faces))
    for column, index in enumerate(np.linspace(0, len(faces) - 1, count).round().astype(int)):
        face = faces[index]
        if face.shape[:2] != (FACE_SIZE, FACE_SIZE):  # OpenFace can be told another size
            face = cv2.resize(face, (FACE_SIZE, FACE_SIZE), interpolation=cv2.INTER_AREA)
        row[CAPTION_HEIGHT:, column * FACE_SIZE : (column + 1) * FACE_SIZE] = face
    return row
