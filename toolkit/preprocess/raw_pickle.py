"""The pickled tables ``*_features_raw_*way.pkl`` of CMU-MOSI, CMU-MOSEI and IEMOCAP, read without running their code.

Such a file is a tuple of dicts per video: names of its clips, their labels, speakers and sentences, then the videos of
each split. The files were written by Python 2 or 3, so both spellings of the plain containers are known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data.labels import PlainUnpickler
from toolkit.utils.errors import UserError

_CONTAINERS = {"dict": dict, "list": list, "set": set, "frozenset": frozenset, "tuple": tuple}


@dataclass(frozen=True)
class RawPickle:
    """One such file.

    Attributes:
        clips: video -> [(clip name, label, sentence)].
        splits: the videos of each split; a set has no order of its own, so its videos are sorted.
    """

    path: Path
    clips: dict[str, list[tuple[str, float, str]]]
    splits: tuple[list[str], ...]

    def of_videos(self, videos: Sequence[str]) -> list[tuple[str, float, str]]:
        """The clips of `videos`, in their order."""
        return [clip for video in videos for clip in self.clips[video]]


def find_pickle(file: str, folders: Sequence[Path]) -> Path | None:
    """The file in the first of `folders` that has it."""
    return next((folder / file for folder in folders if (folder / file).is_file()), None)


def read_pickle(path: Path, splits: int) -> RawPickle:
    """Read a file with `splits` sets of videos.

    Raises:
        UserError: not such a file, holding anything but plain data, or with parts that do not fit together.
    """
    try:
        with open(path, "rb") as file:
            value = _TableUnpickler(file, encoding="latin1").load()
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except Exception as error:  # a broken pickle can raise nearly anything; nothing of it has run
        raise UserError(f"{path} cannot be read ({type(error).__name__}: {error}); download it again") from error
    if not isinstance(value, (tuple, list)) or len(value) != 4 + splits:
        held = f"{len(value)} parts" if isinstance(value, (tuple, list)) else f"a {type(value).__name__}"
        raise UserError(f"{path} holds {held}, not the {4 + splits} parts of such a table")
    names, labels, _, sentences, *videos = value
    if not all(isinstance(part, dict) for part in (names, labels, sentences)):
        raise UserError(f"{path}: names, labels and sentences are not dicts of videos")
    clips = {str(video): _clips_of(path, video, names, labels, sentences) for video in names}
    return RawPickle(path, clips, tuple(_videos(path, part, clips) for part in videos))


def _clips_of(path: Path, video: Any, names: dict, labels: dict, sentences: dict) -> list[tuple[str, float, str]]:
    parts = [part.get(video) for part in (names, labels, sentences)]
    sizes = [len(part) if isinstance(part, (list, tuple, np.ndarray)) else -1 for part in parts]
    if len(set(sizes)) != 1 or sizes[0] < 0:
        raise UserError(f"{path}: video {video!r} has not as many names as labels and sentences (-1: none): {sizes}")
    clips = [(str(name), _number(path, name, label), str(text)) for name, label, text in zip(*parts, strict=True)]
    first: dict[str, float] = {}
    for number, (name, label, _) in enumerate(clips, 1):
        if not name.strip() or "/" in name or "\0" in name:
            raise UserError(f"{path}: clip {number} of video {video!r} is named {name!r}, which no file can be")
        if first.setdefault(name, label) != label:
            raise UserError(f"{path}: clip {name!r} of video {video!r} has two labels: {first[name]:g} and {label:g}")
    return clips


def _number(path: Path, name: str, label: Any) -> float:
    try:
        (value,) = np.asarray(label, dtype=float).reshape(-1)
    except (TypeError, ValueError):
        value = np.nan
    if not np.isfinite(value):
        raise UserError(f"{path}: the label of {name!r} is {label!r}, not a number")
    return float(value)


def _videos(path: Path, part: Any, clips: dict[str, Any]) -> list[str]:
    if not isinstance(part, (list, tuple, set, frozenset, dict, np.ndarray)):
        raise UserError(f"{path}: a split is a {type(part).__name__}, not a set of videos")
    videos = [str(video) for video in part]
    unknown = [video for video in videos if video not in clips]
    if unknown:
        raise UserError(f"{path}: a split names the video {unknown[0]!r}, which has no clips in the file")
    return sorted(videos) if isinstance(part, (set, frozenset)) else videos


class _TableUnpickler(PlainUnpickler):
    """The unpickler of label files, which knows the containers of Python 2 and `defaultdict`, too."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("__builtin__", "builtins") and name in _CONTAINERS:
            return _CONTAINERS[name]
        if (module, name) == ("collections", "defaultdict"):
            return defaultdict
        found = super().find_class(module, name)
        return _scalar_of_text(found) if (module.rpartition(".")[2], name) == ("multiarray", "scalar") else found


def _scalar_of_text(scalar: Callable[..., Any]) -> Callable[..., Any]:
    """`scalar` for data that Python 2 wrote: its byte strings are read as text, one character a byte."""
    return lambda dtype, data=b"": scalar(dtype, data.encode("latin1") if isinstance(data, str) else data)
