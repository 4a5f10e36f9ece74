"""Folders of face pictures, as OpenFace leaves them, into one array per clip: ``<name>/<name>.npy``."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np

from toolkit.preprocess.batch import BatchReport, Job, run_jobs
from toolkit.preprocess.media import MediaError, Stopped
from toolkit.utils import atomic
from toolkit.utils.errors import UserError

IMAGE_SUFFIXES = (".bmp", ".png", ".jpg", ".jpeg")


def compress_faces(face_root: Path, save_root: Path, *, overwrite: bool = False, progress: bool = True) -> BatchReport:
    """The pictures of every folder of `face_root`, in name order, as uint8 ``(T, H, W, 3)`` BGR.

    Raises:
        UserError: no such folder, or no folder in it.
    """
    if not face_root.is_dir():
        raise UserError(f"{face_root} is not a folder; give the one that holds a folder of pictures per clip")
    with os.scandir(face_root) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise UserError(
            f"{face_root} holds no folder; every clip has a folder of pictures ({', '.join(IMAGE_SUFFIXES)})"
        )
    jobs = [Job(name, face_root / name, save_root / name / f"{name}.npy") for name in names]
    return run_jobs(jobs, _compress, "faces", overwrite=overwrite, progress=progress)


def _compress(job: Job, stop: threading.Event) -> str:
    """The work on one clip; returns a remark about files that are no pictures."""
    import cv2

    files = sorted(path for path in job.source.iterdir() if not path.name.startswith("."))
    pictures = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    if not pictures:
        raise MediaError(f"{job.source} holds no picture ({', '.join(IMAGE_SUFFIXES)})")
    array: np.ndarray | None = None
    for number, path in enumerate(pictures):
        if stop.is_set():
            raise Stopped("stopped")
        picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) if path.stat().st_size else None
        if picture is None:
            raise MediaError(f"{path} cannot be read as a picture")
        if array is None:
            array = np.empty((len(pictures), *picture.shape), np.uint8)
        if picture.shape != array.shape[1:]:
            sizes = ["x".join(map(str, shape[:2])) for shape in (picture.shape, array.shape[1:])]
            raise MediaError(f"{path}: a picture of {sizes[0]}, those before have {sizes[1]}")
        array[number] = picture
    atomic.save_npy(job.target, array)
    others = len(files) - len(pictures)
    return f"{others} other files in its folder were left out" if others else ""
