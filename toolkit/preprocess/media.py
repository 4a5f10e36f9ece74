"""Video and audio files: finding ffmpeg, running it, listing clips, and the 16 kHz sound of a clip."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from toolkit.globals import PATH_TO_PRETRAINED_MODELS
from toolkit.utils import atomic
from toolkit.utils.errors import UserError

VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov")
SAMPLE_RATE = 16000  # Hz, of all audio in the toolkit
_STOP_POLL = 0.2  # seconds between two looks at the stop event while ffmpeg runs
_LAST_LINES = 5  # how many of ffmpeg's lines an error carries
_ADDRESS = re.compile(r" @ (0x)?[0-9a-fA-F]+(?=\])")  # "[mov,mp4 @ 0x55d0]": differs between runs


class MediaError(Exception):
    """One file cannot be used; the message says why in one line."""


class Stopped(Exception):
    """The run is ending and this file was given up; nobody's failure."""


def ffmpeg_path() -> str:
    """The ffmpeg program: ``MER_FFMPEG``, else in ``tools/``, else the system's, else imageio-ffmpeg's.

    In ``tools/`` it is ``ffmpeg``, ``ffmpeg/ffmpeg`` or ``ffmpeg-<version>/ffmpeg`` (an unpacked static build).

    Raises:
        UserError: there is none, or ``MER_FFMPEG`` names no program.
    """
    chosen = os.environ.get("MER_FFMPEG")
    if chosen:
        found = shutil.which(os.path.expanduser(chosen))
        if found is None:
            raise UserError(f"MER_FFMPEG={chosen!r} is no program that can be run; give ffmpeg's full path or unset it")
        return found
    tools = PATH_TO_PRETRAINED_MODELS
    for candidate in (tools / "ffmpeg", tools / "ffmpeg" / "ffmpeg", *sorted(tools.glob("ffmpeg-*/ffmpeg"))):
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate)
    found = shutil.which("ffmpeg")
    if found is not None:
        return found
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise UserError(
            f"no ffmpeg: set MER_FFMPEG, put it at {tools / 'ffmpeg'}, or install the package imageio-ffmpeg"
        ) from error


def run_ffmpeg(arguments: Sequence[str], stop: threading.Event | None = None) -> str:
    """Run ffmpeg with `arguments` (never through a shell, input closed) and return what it wrote to stderr.

    When `stop` is set, or this thread is interrupted, ffmpeg is killed. Write file names as ``file:<path>``: a colon
    or a leading dash in a name then has no meaning.

    Raises:
        MediaError: ffmpeg failed; the message holds its own last lines.
        Stopped: `stop` was set.
        UserError: there is no ffmpeg.
    """
    status, text = _run(["-v", "error", *arguments], stop)
    if status != 0:
        raise MediaError(last_lines(text) or f"ffmpeg ended with exit status {status} and no message")
    return text


def _run(arguments: Sequence[str], stop: threading.Event | None) -> tuple[int, str]:
    """ffmpeg's exit status and what it wrote to stderr."""
    command = [ffmpeg_path(), "-hide_banner", "-nostdin", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with process:
        try:
            messages = _wait(process, stop)
        except BaseException:
            process.kill()
            raise
    return process.returncode, messages.decode("utf-8", "replace")


def _wait(process: subprocess.Popen, stop: threading.Event | None) -> bytes:
    while True:
        try:
            return process.communicate(timeout=None if stop is None else _STOP_POLL)[1]
        except subprocess.TimeoutExpired:
            if stop is not None and stop.is_set():
                raise Stopped("stopped") from None


def last_lines(text: str) -> str:
    """ffmpeg's last lines as one, without memory addresses and repetitions."""
    lines = [_ADDRESS.sub("", line).strip() for line in text.splitlines()]
    return "; ".join(list(dict.fromkeys(line for line in lines if line))[-_LAST_LINES:])


def extract_audio_16k(video: Path, wav: Path, stop: threading.Event | None = None) -> str:
    """Write the sound of `video` as 16 kHz mono PCM16 to `wav`, which appears whole or not at all.

    Returns:
        What ffmpeg complained about although it finished (a damaged packet, say), in one line; usually "".

    Raises:
        MediaError: no audio stream, no video file, unreadable.
    """
    with atomic.atomic_path(wav) as part:
        # The part file's name does not end in .wav, so the format is named; bitexact leaves ffmpeg's version out.
        output = ["-vn", "-sn", "-dn", "-ac", "1", "-ar", str(SAMPLE_RATE), "-c:a", "pcm_s16le", "-map_metadata", "-1"]
        output += ["-fflags", "+bitexact", "-f", "wav", f"file:{part}"]
        try:
            return last_lines(run_ffmpeg(["-y", "-threads", "1", "-i", f"file:{video}", *output], stop))
        except MediaError as error:
            if has_audio_stream(video, stop) is False:
                raise MediaError(f"{video} has no audio stream") from error
            raise MediaError(f"{video}: {error}") from error


def has_audio_stream(video: Path, stop: threading.Event | None = None) -> bool | None:
    """Whether `video` has an audio stream; None when ffmpeg cannot open it."""
    _, listing = _run(["-i", f"file:{video}"], stop)  # without an output file it only lists the streams
    if "Input #0" not in listing:
        return None
    return re.search(r"^\s*Stream #0:.*: Audio: ", listing, re.MULTILINE) is not None


def video_files(folder: Path) -> list[Path]:
    """The videos (.mp4, .avi, .mkv, .mov) of `folder` in name order; hidden files are left out.

    Raises:
        UserError: no such folder, or two videos of one name (``a.mp4`` and ``a.avi``).
    """
    return media_files(folder, VIDEO_SUFFIXES)


def media_files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Files of `folder` with one of `suffixes` (any case) in name order; see `video_files`."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder")
    by_name: dict[str, Path] = {}
    with os.scandir(folder) as entries:
        found = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    for file in found:
        name, suffix = os.path.splitext(file)
        if suffix.lower() not in suffixes:
            continue
        if name in by_name:
            raise UserError(f"{folder}: {by_name[name].name} and {file} are two files of one name; keep one of them")
        by_name[name] = folder / file
    return [by_name[name] for name in sorted(by_name)]
