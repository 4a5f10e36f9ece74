"""Which clips the face step works on: videos of a folder, or folders of images, all of them or those of a list."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np

from feature_extraction.contract import Sample
from feature_extraction.visual.face_frames import image_files
from toolkit.preprocess.media import VIDEO_SUFFIXES, video_files
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv

ABSENT = "stands in"  # what the reason of a name begins with that a list has and no clip
OTHER_VIDEOS = (".webm", ".m4v", ".wmv", ".flv", ".mpg", ".mpeg", ".ts", ".3gp")  # that are not read: no model saw them
CLIP_TYPES = ("videoOne", "faceDir")  # the original's words: a video per clip, a folder of images per clip


def clip_samples(folder: Path, clip_type: str, given: bool = False) -> list[Sample]:
    """One sample per clip of `folder`, in name order; `given`: the user named the folder itself (``--input_root``).

    Raises:
        UserError: no such folder, no clip of this type in it, or two videos of one name.
    """
    return video_samples(folder, given) if clip_type == "videoOne" else image_folder_samples(folder, given)


def video_samples(folder: Path, given: bool = False) -> list[Sample]:
    """One sample per video file in `folder`; raises like `clip_samples`."""
    _require(folder, given)
    samples = [Sample(path.stem, path) for path in video_files(folder) if path.is_file()]
    if not samples:
        hint = "; for folders of images give --type faceDir" if _image_folders(folder) else ""
        raise UserError(f"{folder} holds no video ({', '.join(VIDEO_SUFFIXES)}){hint}")
    return samples


def passed_over(folder: Path) -> list[str]:
    """Names in `folder` that look like videos and are none of its clips, in name order: other formats, broken links."""
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_file()) for entry in entries if not entry.name.startswith(".")]
    kinds = [(name, Path(name).suffix.lower(), is_file) for name, is_file in sorted(found)]
    return [name for name, kind, file in kinds if kind in OTHER_VIDEOS or (kind in VIDEO_SUFFIXES and not file)]


def image_folder_samples(folder: Path, given: bool = False) -> list[Sample]:
    """One sample per folder in `folder` that is not hidden; raises like `clip_samples`."""
    _require(folder, given)
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
        fault = "is a folder" if path.is_dir() else "does not exist"
        raise UserError(f"{path} {fault}; --name_npy takes a list of clip names (.npy, .csv or .txt)")
    if path.suffix.lower() == ".csv":
        return {row["name"] for row in read_csv(path, required=("name",))}
    if path.suffix.lower() != ".npy":
        return _lines(path)
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
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


def _lines(path: Path) -> set[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 (byte {error.start}); save it again as UTF-8") from error
    if "\0" in text:
        raise UserError(f"{path}: holds NUL characters, is it UTF-16? Save it again as UTF-8")
    return {line.strip() for line in text.splitlines() if line.strip()}


def _require(folder: Path, given: bool) -> None:
    if folder.is_dir():
        return
    if folder.exists():
        raise UserError(f"{folder} is a file; the folder that holds the clips is needed")
    if given:
        raise UserError(f"{folder} does not exist; --input_root takes the folder that holds the clips")
    raise UserError(
        f"{folder} does not exist; make it with `./run-mer2024.sh preprocess`, point --data_root there, or name the "
        "folder of the clips with --input_root"
    )
