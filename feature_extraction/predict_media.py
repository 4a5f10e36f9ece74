"""What is wrong with the files of a prediction's clips although they can be read: cut off, damaged, frames missing.

Noted in the work folder, so that a second call, which reads no file again, tells the same.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

from feature_extraction.contract import SampleError
from feature_extraction.names import printable
from feature_extraction.visual.face_frames import VideoFrames
from toolkit.utils import atomic
from toolkit.utils.progress import progress_bar

NOTES_FILE = "media-notes.json"  # name -> what is wrong with its file, [] for nothing


def media_notes(root: Path, links: Mapping[str, Path], sound: Mapping[str, str]) -> dict[str, list[str]]:
    """Name -> remarks on its file; clips without any are in it with [].

    Args:
        root: of the work folder, where they are kept.
        links: name -> video. Each is decoded once, whatever the model reads: a cut-off file lacks sound, too.
        sound: printable name -> what ffmpeg complained about when it read the sound.
    """
    known = read_notes(root)
    todo = {name: path for name, path in links.items() if name not in known}
    with progress_bar(len(todo), "damage", "clip", bool(todo)) as bar:
        for name, path in todo.items():
            complaint = sound.get(printable(name))
            known[name] = _complaints(path) + ([f"its sound: {complaint}"] if complaint else [])
            bar.update()
    if todo:
        _write(root, known)
    return {name: known[name] for name in links}


def _complaints(path: Path) -> list[str]:
    frames = VideoFrames(path)
    with contextlib.suppress(SampleError):  # no picture at all: the face step's matter, if the model needs one
        for _ in frames:
            pass
    return list(frames.complaints)


def read_notes(root: Path) -> dict[str, list[str]]:
    """The notes as they stand; {} when there are none, or none that can be read: they are made again."""
    try:
        found = json.loads((root / NOTES_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def forget_notes(root: Path, name: str) -> None:
    """Remove those of the clip `name`."""
    known = read_notes(root)
    if known.pop(name, None) is not None:
        _write(root, known)


def _write(root: Path, notes: Mapping[str, list[str]]) -> None:
    atomic.write_text(root / NOTES_FILE, json.dumps(notes, indent=1) + "\n")
