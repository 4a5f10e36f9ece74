"""Clips made by ffmpeg for the tests of preprocessing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.preprocess.media import ffmpeg_path

MakeClip = Callable[..., Path]


@pytest.fixture(scope="session")
def make_clip() -> MakeClip:
    """``make_clip(path, seconds, sound)``: 64x48 test picture at 10 fps with a 440 Hz tone (44.1 kHz), or without."""

    def make(path: Path, seconds: float = 1.5, sound: bool = True, codec: str = "pcm_s16le", channels: int = 1) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        inputs = ["-f", "lavfi", "-i", f"testsrc=duration={seconds}:size=64x48:rate=10"]
        if sound:
            inputs += ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}:sample_rate=44100"]
            inputs += ["-c:a", codec, "-ac", str(channels)]
        command = [ffmpeg_path(), "-v", "error", "-nostdin", "-y", *inputs, "-c:v", "mpeg4", "-f"]
        subprocess.run([*command, "mov" if path.suffix == ".mp4" else "matroska", f"file:{path}"], check=True)
        return path

    return make
