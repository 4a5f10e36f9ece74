"""The aligned faces of one clip, checked: ``openface_face/<name>/<name>.npy``."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator

import numpy as np

from feature_extraction.contract import Sample, SampleError


def read_faces(sample: Sample) -> np.ndarray:
    """Faces ``(T, H, W, 3)`` uint8, BGR, T >= 0, H and W >= 1; mapped into memory, so that only what is used is read.

    Raises:
        SampleError: no such file, not a ``.npy`` array, or one of another type or shape.
    """
    if sample.path is None or not sample.path.exists():
        raise SampleError(f"{sample.path} does not exist; run the face step again")
    try:
        faces = np.load(sample.path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())
        raise SampleError(f"{sample.path}: not a readable .npy array ({reason}); run the face step again") from error
    if not isinstance(faces, np.ndarray):
        raise SampleError(f"{sample.path}: an .npz archive, not a .npy array; run the face step again")
    if faces.ndim != 4 or faces.shape[-1] != 3 or faces.dtype != np.uint8 or 0 in faces.shape[1:]:
        raise SampleError(
            f"{sample.path}: expected uint8 pictures (T, H, W, 3), found {faces.dtype} {faces.shape}; "
            "run the face step again"
        )
    return faces


@contextlib.contextmanager
def naming_file(sample: Sample) -> Iterator[None]:
    """Put the faces' file before what is wrong with a picture of theirs."""
    try:
        yield
    except SampleError as error:
        raise SampleError(f"{sample.path}: {error}") from error
