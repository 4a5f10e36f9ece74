"""The sound files of a noise folder: which there are, and which can be read at any place as they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.globals import PATH_TO_NOISE
from toolkit.preprocess.batch import printable
from toolkit.preprocess.media import SAMPLE_RATE, MediaError
from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    from soundfile import SoundFile

_DIRECT_SUFFIXES = (".wav", ".flac")
NOISE_SUFFIXES = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus")
NOISE_HINT = (
    "the usual noise is the speech subset of MUSAN (resource 17 of OpenSLR); unpack its folder "
    f"speech/ as {PATH_TO_NOISE / 'speech'}, or name any folder of sound files with --noise_root"
)


def default_noise_root() -> Path:
    """``tools/musan/speech`` (the speech subset), or ``tools/musan`` when it has no such folder."""
    return PATH_TO_NOISE / "speech" if (PATH_TO_NOISE / "speech").is_dir() else PATH_TO_NOISE


def sound_files(root: Path) -> tuple[dict[str, Path], list[str]]:
    """The sound files by path relative to `root`, and notes on those that are left out."""
    if not root.is_dir():
        raise UserError(f"--noise_root {root} is not a folder: {NOISE_HINT}")
    found: dict[str, Path] = {}
    notes = []
    for folder in _folders(root):
        for name in sorted(os.listdir(folder)):
            path = folder / name
            if name.startswith(".") or path.is_dir() or os.path.splitext(name)[1].lower() not in NOISE_SUFFIXES:
                continue
            relative = path.relative_to(root).as_posix()
            if printable(relative) != relative:
                notes.append(f"noise file left out: {printable(relative)}: its name is not UTF-8; rename it")
            elif not path.is_file():
                notes.append(f"noise file left out: {relative}: it is no regular file")
            else:
                found[relative] = path
    return found, notes


def _folders(root: Path) -> Iterator[Path]:
    """`root` and the folders in it that are not hidden, each once though links may lead there again."""
    seen: set[tuple[int, int]] = set()
    for folder, names, _ in os.walk(root, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            names.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        names[:] = sorted(name for name in names if not name.startswith("."))
        yield Path(folder)


def direct_samples(path: Path) -> int | None:
    """Length of a file that can be read as it is; None for any other.

    Raises:
        MediaError: its end cannot be read.
    """
    import soundfile

    if path.suffix.lower() not in _DIRECT_SUFFIXES:
        return None
    try:
        with soundfile.SoundFile(path) as file:
            plain = (file.samplerate, file.channels, file.subtype) == (SAMPLE_RATE, 1, "PCM_16")
            if not plain or file.format not in ("WAV", "WAVEX", "FLAC"):
                return None
            _check_end(file)
            return file.frames
    except (soundfile.SoundFileError, OSError):
        return None


def _check_end(file: SoundFile) -> None:
    """Raises `MediaError` for a file that is cut off: its last sample is not there."""
    import soundfile

    try:
        if file.frames:
            file.seek(file.frames - 1)
            whole = len(file.read(1, dtype="int16")) == 1
        else:
            whole = True
    except soundfile.SoundFileError:
        whole = False
    if not whole:
        raise MediaError("it is cut off: its end cannot be decoded")
