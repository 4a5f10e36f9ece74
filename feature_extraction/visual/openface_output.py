"""What OpenFace leaves in its output folder, read back.

FeatureExtraction (a video) writes ``<name>.csv`` with a row per frame (frame from 1, timestamp, confidence, success,
68 landmarks x_0 ... y_67 with ``-2Dfp``) and ``<name>_aligned/frame_det_00_000001.bmp`` ...: one picture per frame,
black where it lost the face. FaceLandmarkImg (a folder of images) writes for every image with a face ``<stem>.csv``
with a row per face and ``<stem>_aligned/face_det_000000.bmp`` ...
Facts from OpenFace's wiki, page Output Format.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from feature_extraction.contract import SampleError
from feature_extraction.visual.face_frames import read_image
from feature_extraction.visual.face_tracking import Face, FaceLinker
from feature_extraction.visual.video_faces import FaceRow, choose

_PICTURE = re.compile(r"(?:frame_det_(?P<face>\d+)_|face_det_)(?P<number>\d+)\.\w+")
_LANDMARKS = 68


@dataclass(frozen=True)
class AlignedFace:
    """One picture that OpenFace wrote, and where its face was."""

    row: FaceRow
    picture: Path
    success: bool


def video_output(folder: Path) -> list[AlignedFace]:
    """The faces of a video in frame order, those that are lost (black) included as OpenFace writes them."""
    rows = {int(float(row["frame"])): row for file in _tables(folder) for row in _read(file, "frame", "confidence")}
    faces = []
    for number, picture in _pictures(folder, "*_aligned"):
        if number not in rows:
            raise SampleError(f"OpenFace wrote {picture.name} but no csv row of frame {number}: its output is damaged")
        row = rows[number]
        time = float(row["timestamp"]) if row.get("timestamp") else None
        faces.append(
            AlignedFace(
                FaceRow(number - 1, time, float(row["confidence"]), _box(row)),
                picture,
                row.get("success", "1") not in ("0", "0.0"),
            )
        )
    missing = len(rows) - len(faces)
    if missing:
        raise SampleError(f"OpenFace wrote {len(rows)} csv rows but only {len(faces)} pictures: is the disk full?")
    return faces


def image_output(folder: Path, images: Sequence[Path]) -> list[AlignedFace]:
    """One face per image that has any: the only one, or that of the main track (`face_tracking`), or the largest."""
    linker = FaceLinker(0)
    found: list[list[tuple[int, FaceRow, Path]]] = []
    for number, image in enumerate(images):
        table = folder / f"{image.stem}.csv"
        pictures = dict(_pictures(folder, f"{_literal(image.stem)}_aligned"))
        rows = _read(table, "confidence") if table.is_file() else []
        if len(rows) != len(pictures):
            raise SampleError(f"OpenFace wrote {len(rows)} csv rows but {len(pictures)} pictures of {image.name}")
        faces = [Face(_box(row), np.zeros((5, 2)), float(row["confidence"])) for row in rows]
        tracks = linker.update(number, faces)
        by_face = {id(linker.tracks[track].face): track for track in tracks}
        entries = zip(faces, sorted(pictures.items()), strict=True)
        found.append(
            [
                (by_face[id(face)], FaceRow(number, None, face.confidence, face.box, image.name), picture)
                for face, (_, picture) in entries
            ]
        )
    main = linker.main()
    chosen = [choose(entries, main) for entries in found if entries]
    return [AlignedFace(row, picture, True) for _, row, picture in chosen]


def read_picture(face: AlignedFace) -> np.ndarray:
    """The aligned picture ``(H, W, 3)`` uint8 BGR; raises a `SampleError` when it cannot be read."""
    picture = read_image(face.picture)
    if picture is None:
        raise SampleError(f"OpenFace's picture {face.picture.name} cannot be read: is the disk full?")
    return picture


def _tables(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.csv"))


def _pictures(folder: Path, aligned: str) -> list[tuple[int, Path]]:
    """(number in the name, picture) of the first face, or of all faces of an image, in order of numbers."""
    found = []
    for picture in folder.glob(f"{aligned}/*_det_*"):
        match = _PICTURE.fullmatch(picture.name)
        if match is not None and int(match["face"] or 0) == 0:
            found.append((int(match["number"]), picture))
    return sorted(found)


def _read(file: Path, *required: str) -> list[dict[str, str]]:
    """The rows of one csv; OpenFace writes blanks after its commas."""
    with open(file, newline="", encoding="utf-8", errors="replace") as text:
        rows = [
            {(key or "").strip(): (value or "").strip() for key, value in row.items() if isinstance(value, str)}
            for row in csv.DictReader(text)
        ]
    for column in required:
        if rows and column not in rows[0]:
            raise SampleError(f"OpenFace's {file.name} has no column {column}: is this OpenFace 2?")
    return rows


def _box(row: Mapping[str, str]) -> tuple[float, float, float, float]:
    """x, y, width, height of the box around the landmarks; zeros where there are none."""
    if "x_0" not in row:
        return 0.0, 0.0, 0.0, 0.0
    x = [float(row[f"x_{i}"]) for i in range(_LANDMARKS)]
    y = [float(row[f"y_{i}"]) for i in range(_LANDMARKS)]
    return min(x), min(y), max(x) - min(x), max(y) - min(y)


def _literal(text: str) -> str:
    """`text` for a glob pattern, all its characters meant as they are."""
    return re.sub(r"([\[*?])", r"[\1]", text)
