"""The work folder of a prediction: the clips in the layout of a corpus, so that the extraction scripts work on it.

A kept folder is gone on from: what is there of a clip is used again, unless its file has changed since.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from feature_extraction.names import name_fault, printable
from toolkit.globals import CorpusPaths, corpus_paths
from toolkit.preprocess.media import VIDEO_SUFFIXES, video_files
from toolkit.utils import atomic
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv, write_csv

LAYOUT = "MER2024"  # the corpus whose places below its root a work folder has
RECOGNISED = "transcription-old.csv"  # what speech recognition gave (main-asr.py's format)
CLIPS_FILE = "clips.json"  # name -> the file it was made from


def find_clips(given: Sequence[str]) -> tuple[dict[str, Path], dict[str, str]]:
    """The clips of video files and folders of them: name -> file, in the order given; name -> why it cannot be used.

    Raises:
        UserError: a path does not exist, a folder holds no videos, or two clips have one name.
    """
    clips: dict[str, Path] = {}
    for text in given:
        place = Path(text).expanduser()
        found = video_files(place) if place.is_dir() else [place]
        if not place.exists():
            raise UserError(f"--video {printable(text)}: no such file or folder")
        if not found:
            raise UserError(f"--video {printable(text)}: the folder holds no videos ({', '.join(VIDEO_SUFFIXES)})")
        for path in found:
            name = os.path.splitext(path.name)[0]
            other = clips.setdefault(name, path.absolute())
            if other != path.absolute():
                raise UserError(
                    f"--video: {printable(str(other))} and {printable(str(path))} have one name; rename one"
                )
    faults = {printable(name): f"the clip's name {fault}" for name in clips if (fault := name_fault(name))}
    return {name: path for name, path in clips.items() if not name_fault(name)}, faults


@contextlib.contextmanager
def work_folder(keep: str | None) -> Iterator[CorpusPaths]:
    """The places of a temporary work folder, or of the one to `keep`.

    Raises:
        UserError: `keep` holds other things, or cannot be written.
    """
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="mer2024-predict-") as folder:
            yield corpus_paths(LAYOUT, folder)
        return
    place = Path(keep).expanduser()
    paths = corpus_paths(LAYOUT, place)
    if not (paths.root / CLIPS_FILE).exists() and (_visible(place) - {paths.root.name} or _visible(paths.root)):
        raise UserError(f"--keep_work {keep}: holds other files; name a new folder, or one kept by this command")
    yield paths


def _visible(folder: Path) -> set[str]:
    """What is in a folder, if there is one, without hidden files (a killed call may have left one)."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")} if folder.is_dir() else set()


def place_clips(paths: CorpusPaths, clips: Mapping[str, Path]) -> dict[str, Path]:
    """Link the clips into ``video/``, and forget what was made from a file that is another one now.

    Returns:
        The link of each clip.

    Raises:
        UserError: the folder cannot be written.
    """
    try:
        paths.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--keep_work: {paths.root} cannot be written ({error.strerror})") from error
    known = _known(paths.root / CLIPS_FILE)
    now = {name: _state(path) for name, path in clips.items()}
    for name in [name for name, state in known.items() if now.get(name, state) != state]:
        forget(paths, name)
    atomic.write_text(paths.root / CLIPS_FILE, json.dumps(known | now, indent=1) + "\n")
    paths.video.mkdir(exist_ok=True)  # after the file, by which a work folder is known
    for old in paths.video.iterdir():  # clips of an earlier call, whose sound and features stay
        old.unlink()
    links = {}
    for name, path in clips.items():
        suffix = path.suffix if path.suffix.lower() in VIDEO_SUFFIXES else VIDEO_SUFFIXES[0]
        links[name] = paths.video / f"{name}{suffix}"
        _link(path, links[name])
    return links


def forget(paths: CorpusPaths, name: str) -> None:
    """Remove everything that was made of the clip `name`, its recognised words included."""
    (paths.audio / f"{name}.wav").unlink(missing_ok=True)
    shutil.rmtree(paths.face / name, ignore_errors=True)
    forget_features([folder for folder in paths.features.glob("*") if folder.is_dir()], name)
    place = paths.root / RECOGNISED
    if place.exists():
        rows = [tuple(row.values()) for row in read_csv(place, ("name", "sentence")) if row["name"] != name]
        write_csv(place, ("name", "sentence"), rows)


def forget_features(folders: Sequence[Path], name: str) -> None:
    """Remove the feature of `name` from `folders`."""
    for folder in folders:
        (folder / f"{name}.npy").unlink(missing_ok=True)


def _known(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: damaged ({error}); name a new folder for --keep_work") from error
    return known if isinstance(known, dict) else {}


def _state(path: Path) -> list[Any]:
    """What tells that a file is another one: place, size, time of change."""
    status = path.stat()
    return [str(path), status.st_size, status.st_mtime_ns]


def _link(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source)
    except OSError:  # a file system without links
        with atomic.atomic_path(target) as part:
            shutil.copyfile(source, part)
