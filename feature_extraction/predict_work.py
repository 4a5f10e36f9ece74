"""The work folder of a prediction: the clips in the layout of a corpus, so that the extraction scripts work on it.

A kept folder is gone on from: what is there of a clip is used again, unless its file has changed since.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from feature_extraction.names import name_fault, printable
from feature_extraction.predict_media import forget_notes
from toolkit.globals import CorpusPaths, corpus_paths
from toolkit.preprocess.media import VIDEO_SUFFIXES, video_files
from toolkit.utils import atomic
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv, write_csv

LAYOUT = "MER2024"  # the corpus whose places below its root a work folder has
RECOGNISED = "transcription-old.csv"  # what speech recognition gave (main-asr.py's format)
CLIPS_FILE = "clips.json"  # name -> the file it was made from
LOCK_FILE = ".main-predict.lock"


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
    faults = {name: fault for name, path in clips.items() if (fault := _fault(name, path))}
    usable = {name: path for name, path in clips.items() if name not in faults}
    return usable, {printable(name): fault for name, fault in faults.items()}


def _fault(name: str, path: Path) -> str:
    """Why a clip cannot be used, "" when it can."""
    if fault := name_fault(name):
        return f"the clip's name {fault}"
    try:
        path.stat()
    except OSError as error:
        kind = f"a link to {os.readlink(path)}" if path.is_symlink() else "a file"
        return printable(f"{path}: {kind}, which cannot be opened ({error.strerror}); replace or remove it")
    return ""


@contextlib.contextmanager
def work_folder(keep: str | None) -> Iterator[CorpusPaths]:
    """The places of a temporary work folder, which is removed (after SIGTERM, too), or of the one to `keep`.

    Raises:
        UserError: `keep` holds other things, cannot be written, or is in use by another call.
    """
    if keep is None:
        with _exit_on_sigterm(), tempfile.TemporaryDirectory(prefix="mer2024-predict-") as folder:
            yield corpus_paths(LAYOUT, folder)
        return
    place = Path(keep).expanduser()
    paths = corpus_paths(LAYOUT, place)
    if not (paths.root / CLIPS_FILE).exists() and (_visible(place) - {paths.root.name} or _visible(paths.root)):
        raise UserError(f"--keep_work {keep}: holds other files; name a new folder, or one kept by this command")
    with _exit_on_sigterm(), _alone(place):
        yield paths


@contextlib.contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    """SIGTERM ends this process as an error does, so that what it made in passing is removed."""
    owner = os.getpid()

    def end(number: int, frame: Any) -> None:
        if os.getpid() == owner:
            raise SystemExit(128 + number)
        signal.signal(number, signal.SIG_DFL)  # a child that inherited this
        os.kill(os.getpid(), number)

    try:
        before = signal.signal(signal.SIGTERM, end)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Keep other calls out of `place`, which is created; the system's lock ends with the process, however that ends."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        file = open(place / LOCK_FILE, "a", encoding="utf-8")
    except OSError as error:
        raise UserError(f"--keep_work {place}: cannot be written ({error.strerror}); name another folder") from error
    with file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"--keep_work {place}: another main-predict.py works in it; wait until it has ended, or name another"
            ) from None
        except (ImportError, OSError):  # a system or a network disk without locks
            pass
        yield


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
    forget_notes(paths.root, name)
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
