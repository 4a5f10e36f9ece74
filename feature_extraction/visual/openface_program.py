"""OpenFace's programs (Baltrusaitis et al., "OpenFace 2.0", FG 2018): finding them, and running one on one clip."""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from feature_extraction.contract import SampleError
from toolkit.globals import PATH_TO_PRETRAINED_MODELS
from toolkit.utils.errors import UserError

VIDEO_PROGRAM, IMAGE_PROGRAM = "FeatureExtraction", "FaceLandmarkImg"
STALL_SECONDS = 300.0  # without a new picture after which a program hangs for sure (it loads its models in seconds)
_PLACES = ("", "bin", "build/bin", "*", "*/bin", "*/build/bin")  # below tools/openface*: a build, an unpacked release
_POLL = 0.2  # seconds between two looks at a running program
_LINES = 3  # of a program's messages that an error carries
_TROUBLE = re.compile(r"error|could not|couldn't|cannot|fail|exception|not found|unable|abort", re.IGNORECASE)


class Stopped(Exception):
    """The run is ending and this clip was given up; nobody's failure."""


def find_program(name: str) -> Path | None:
    """The program `name` (or ``.exe``) below ``tools/openface*`` (any case), else on the PATH; None if absent."""
    tools = PATH_TO_PRETRAINED_MODELS
    roots = sorted(path for path in tools.glob("*") if path.name.lower().startswith("openface") and path.is_dir())
    files = (f"{name}.exe", name) if os.name == "nt" else (name, f"{name}.exe")
    for root in roots:
        for place in _PLACES:
            for folder in sorted(root.glob(place)) if place else [root]:
                for file in files:
                    if (folder / file).is_file() and os.access(folder / file, os.X_OK):
                        return (folder / file).absolute()
    found = shutil.which(name)
    return Path(found).absolute() if found else None


def require_program(name: str) -> Path:
    """Like `find_program`; raises a `UserError` that says where it was looked for when there is none."""
    program = find_program(name)
    if program is None:
        raise UserError(
            f"OpenFace's {name} (or {name}.exe) was not found as an executable file below "
            f"{PATH_TO_PRETRAINED_MODELS / 'openface*'} or on the PATH; put OpenFace there, or give --backend mtcnn"
        )
    return program


def run_program(
    program: Path,
    arguments: Sequence[str],
    watched: Path,
    stop: threading.Event | None = None,
    stall_seconds: float = STALL_SECONDS,
) -> str:
    """Run OpenFace on one clip (never through a shell) and return what it wrote on its streams.

    It is killed when `stop` is set, when this thread is interrupted, or when `watched`, the folder it writes into, got
    no new file for `stall_seconds`.

    Raises:
        SampleError: it failed (the message holds its own words) or hung.
        Stopped: `stop` was set.
        UserError: it cannot be started at all.
    """
    try:
        process = subprocess.Popen(
            [str(program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=program.parent,  # it looks for its models there
            start_new_session=True,  # Ctrl-C in the terminal is ours: what it interrupts is nobody's failure
        )
    except OSError as error:
        raise UserError(f"{program} cannot be started: {error.strerror}; is it made for this system?") from error
    with process:
        try:
            text = _wait(process, watched, stop, stall_seconds).decode("utf-8", "replace")
        except BaseException:
            _kill(process)
            raise
    if process.returncode != 0:
        raise SampleError(f"{program.name} ended with {_status(process.returncode)}: {own_words(text, arguments)}")
    return text


def own_words(text: str, arguments: Sequence[str] = ()) -> str:
    """What went wrong in a program's words: its last lines that speak of trouble, else its last lines.

    Args:
        text: what it wrote.
        arguments: of its command line; a clip may be called "error", which is no trouble.
    """
    lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    trouble = [line for line in lines if _TROUBLE.search(functools.reduce(_without, arguments, line))]
    return "; ".join((trouble or lines)[-_LINES:]) or "it gave no message"


def _without(line: str, argument: str) -> str:
    return line.replace(argument, "")


def _wait(process: subprocess.Popen, watched: Path, stop: threading.Event | None, stall_seconds: float) -> bytes:
    files, since = -1, time.monotonic()
    while True:
        try:
            return process.communicate(timeout=_POLL)[0]
        except subprocess.TimeoutExpired:
            if stop is not None and stop.is_set():
                raise Stopped("stopped") from None
        if time.monotonic() - since > min(stall_seconds, 1.0):
            now = sum(len(names) for _, _, names in os.walk(watched))
            if now != files:
                files, since = now, time.monotonic()
            elif time.monotonic() - since > stall_seconds:
                raise SampleError(
                    f"{Path(process.args[0]).name} hung: no new picture in {stall_seconds:g} s; it was ended"
                )


def _kill(process: subprocess.Popen) -> None:
    """End the program with all that it started."""
    if hasattr(os, "killpg"):
        try:
            os.killpg(process.pid, signal.SIGKILL)  # its session is its own
        except ProcessLookupError:
            pass
    else:
        process.kill()


def _status(code: int) -> str:
    if code < 0:
        names = {int(number): number.name for number in signal.Signals}
        return f"signal {names.get(-code, -code)}"
    return f"exit status {code}"
