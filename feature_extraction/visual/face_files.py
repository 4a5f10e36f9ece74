"""What the face step writes for a clip: ``<name>/<name>.npy``, beside it the csv of where the faces were."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from feature_extraction.contract import SampleError
from feature_extraction.visual.video_faces import FaceRow
from toolkit.utils import atomic
from toolkit.utils.read_files import write_csv

COLUMNS = ("frame", "time_s", "confidence", "x", "y", "w", "h")


@dataclass(frozen=True)
class Written:
    """A clip that is done: how many faces it has, and remarks about it."""

    faces: int
    notes: tuple[str, ...] = ()


def face_path(folder: Path, name: str) -> Path:
    """Where the faces of clip `name` are kept."""
    return folder / name / f"{name}.npy"


def is_whole(path: Path) -> bool:
    """Whether `path` holds faces ``(T, H, W, 3)`` uint8, as many as its header says (none is a number too)."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile):
        return False
    return isinstance(array, np.ndarray) and array.dtype == np.uint8 and array.ndim == 4 and array.shape[3] == 3


def require_place(folder: Path, name: str) -> None:
    """Whether clip `name` can be written into `folder`.

    Raises:
        SampleError: something else stands where its folder, array or csv belongs.
    """
    path = face_path(folder, name)
    if path.parent.exists() and not path.parent.is_dir():
        raise SampleError(f"{path.parent} is a file where the clip's folder belongs; move it away")
    for file, what in ((path, "array"), (path.with_name(f"{name}.csv"), "csv")):
        if file.is_dir():
            raise SampleError(f"{file} is a folder where the clip's {what} belongs; move it away")


def write_clip(folder: Path, name: str, rows: Sequence[FaceRow], save: Callable[[Path], None]) -> None:
    """Write the csv, then the array (`save` gets its path): an npy means that the clip is finished.

    Raises:
        SampleError: something else stands in its place (`require_place`).
    """
    require_place(folder, name)
    path = face_path(folder, name)
    path.parent.mkdir(exist_ok=True)
    atomic.remove_orphans(path.parent)
    columns = (*COLUMNS, "image") if any(row.image for row in rows) else COLUMNS
    path.unlink(missing_ok=True)  # before the csv: killed between the two, older faces would stand beside newer rows
    write_csv(path.with_name(f"{name}.csv"), columns, [csv_row(row)[: len(columns)] for row in rows])
    save(path)


def csv_row(row: FaceRow) -> tuple[Any, ...]:
    """frame, time_s ("" for images), confidence ("" if interpolated), x, y, w, h in pixels, image."""
    return (
        row.frame,
        "" if row.time is None else f"{row.time:.4f}",
        "" if row.confidence is None else f"{row.confidence:.4f}",
        *(f"{value:.2f}" for value in row.box),
        row.image,
    )


def remove_clip(folder: Path, name: str) -> None:
    """Take away what is there of a clip that cannot be done: an array that is not what this command gives now.

    What stands in the clip's place and is no array or csv stays.

    Raises:
        OSError: an older array or csv is there and cannot be removed.
    """
    path = face_path(folder, name)
    for old in (path, path.with_name(f"{name}.csv")):
        if old.is_file() or old.is_symlink():
            old.unlink(missing_ok=True)
    sweep_clip(folder, name)


def sweep_clip(folder: Path, name: str) -> None:
    """Remove the part files that an ended worker left for this clip, and its folder if nothing is in it."""
    place = face_path(folder, name).parent
    with contextlib.suppress(OSError):  # there is none, it is no folder, it may not be read, or something is in it
        atomic.remove_orphans(place)
        place.rmdir()
