"""Which clips the face step works on: videos of a folder, or folders of images, all of them or those of a list."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from feature_extraction.contract import Sample
from feature_extraction.visual.face_frames import image_files
from toolkit.preprocess.media import VIDEO_SUFFIXES, video_files
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv

CLIP_TYPES = ("videoOne", "faceDir")  # the original's words: a video per clip, a folder of images per clip


def clip_samples(folder: Path, clip_type: str) -> list[Sample]:
    """One sample per clip of `folder`, in name order.

    Raises:
        UserError: no such folder, no clip of this type in it, or two videos of one name.
    """
    return video_samples(folder) if clip_type == "videoOne" else image_folder_samples(folder)


def video_samples(folder: Path) -> list[Sample]:
    """One sample per video file in `folder`; raises like `clip_samples`."""
    _require(folder)
    samples = [Sample(path.stem, path) for path in video_files(folder) if path.is_file()]
    if not samples:
        hint = "; for folders of images give --type faceDir" if _image_folders(folder) else ""
        raise UserError(f"{folder} holds no video ({', '.join(VIDEO_SUFFIXES)}){hint}")
    return samples


def image_folder_samples(folder: Path) -> list[Sample]:
    """One sample per folder in `folder` that is not hidden; raises like `clip_samples`."""
    _require(folder)
    samples = [Sample(path.name, path) for path in _image_folders(folder)]
    if not samples:
        own = len(image_files(folder))
        hint = f" but {own} images: every clip has a folder of its own" if own else "; for videos give --type videoOne"
        raise UserError(f"{folder} holds no folder of images{hint}")
    return samples


def only_named(samples: list[Sample], path: Path) -> tuple[list[Sample], list[str]]:
    """The samples whose names stand in the list `path`, and the names in it that no sample has.

    Args:
        samples: all clips.
        path: an array of names (``.npy``, as the original takes it), a ``.csv`` with a column name, or text with one
            name per line.

    Raises:
        UserError: no such file, not such a list, or not one name is a clip's.
    """
    names = _names(path)
    known = {sample.name for sample in samples}
    chosen = [sample for sample in samples if sample.name in names]
    if not chosen:
        raise UserError(f"{path}: none of its {len(names)} names is a clip, for example {min(names, default='')!r}")
    return chosen, sorted(names - known)


def _names(path: Path) -> set[str]:
    if not path.is_file():
        raise UserError(f"{path} does not exist; --name_npy takes a list of clip names (.npy, .csv or .txt)")
    if path.suffix.lower() == ".csv":
        return {row["name"] for row in read_csv(path, required=("name",))}
    if path.suffix.lower() != ".npy":
        return {line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()}
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UserError(
            f"{path}: not an array of names ({' '.join(str(error).split())}); "
            "an object array is not opened, because it can run code: np.save(path, np.array(names, dtype=str)) is read"
        ) from error
    if not isinstance(array, np.ndarray) or array.dtype.kind != "U":
        raise UserError(f"{path}: an array of texts is needed, found {getattr(array, 'dtype', 'an .npz archive')}")
    return set(array.ravel().tolist())


def _image_folders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return [folder / name for name in sorted(entry.name for entry in entries if entry.is_dir()) if name[0] != "."]


def _require(folder: Path) -> None:
    if not folder.is_dir():
        raise UserError(
            f"{folder} does not exist; make it with `./run-mer2024.sh preprocess`, or point --data_root there"
        )
