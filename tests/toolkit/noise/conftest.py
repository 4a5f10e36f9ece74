"""Clips, noise folders and readers for the tests of corruption."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from toolkit.noise.sound import write_wav
from toolkit.preprocess.media import ffmpeg_path

MakeVideo = Callable[..., Path]


def _run(*arguments: str) -> None:
    """ffmpeg, quietly."""
    subprocess.run([ffmpeg_path(), "-v", "error", "-nostdin", "-y", *arguments], check=True)


@pytest.fixture(autouse=True)
def one_worker(monkeypatch) -> None:
    """Runs that do not say how many workers they want are made in this process: no time for starting others."""
    monkeypatch.setattr("toolkit.noise.run.default_workers", lambda: 1)


@pytest.fixture(scope="session")
def make_video() -> MakeVideo:
    """``make_video(path, size, seconds, rate, sound, coding)``: test pictures and a sweep; H.264, stereo AAC."""

    def make(
        path: Path,
        size: str = "64x48",
        seconds: float = 1.0,
        rate: str = "25",
        sound: str | None = "0.3*sin(2*PI*(300+400*t)*t)+0.02*(random(0)-0.5)",
        coding: tuple[str, ...] = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-pix_fmt", "yuv420p"),
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        inputs = ["-f", "lavfi", "-i", f"testsrc=duration={seconds}:size={size}:rate={rate}"]
        if sound is not None:
            inputs += ["-f", "lavfi", "-i", f"aevalsrc={sound}:s=44100:d={seconds}", "-c:a", "aac", "-ac", "2"]
        _run(*inputs, *coding, "-threads", "1", f"file:{path}")
        return path

    return make


@pytest.fixture
def noise_root(tmp_path) -> Path:
    """Three noise files of 2 s, 16 kHz mono, in nested folders."""
    root = tmp_path / "noise pool"
    rng = np.random.default_rng(5)
    for name in ("one.wav", "deep/two.wav", "deep/er/three $.wav"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_wav(root / name, rng.integers(-9000, 9000, 32000).astype(np.int16))
    return root


@dataclass(frozen=True)
class Clip:
    """What a player would show of a file."""

    size: tuple[int, int]
    times: list[Fraction]  # of the frames, in seconds
    frames: np.ndarray  # RGB
    fps: Fraction
    rotation: int
    sound: np.ndarray  # int16, 16 kHz mono
    sound_start: Fraction
    seconds: float  # as the container states it


def _read_clip(path: Path) -> Clip:
    """Decode everything by PyAV's plain loop, independently of the toolkit's readers."""
    with av.open(f"file:{path}") as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        seconds, fps = container.duration / 1e6, stream.average_rate
        times = [frame.pts * frame.time_base for frame in frames]
        pixels = np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
        rotation, size = frames[0].rotation, (frames[0].width, frames[0].height)
    with av.open(f"file:{path}") as container:
        sounds = list(container.decode(container.streams.audio[0]))
        start = sounds[0].pts * sounds[0].time_base
    run = [ffmpeg_path(), "-v", "error", "-i", f"file:{path}", "-map", "0:a", "-ac", "1", "-ar", "16000"]
    raw = subprocess.run([*run, "-c:a", "pcm_s16le", "-f", "s16le", "-"], check=True, capture_output=True).stdout
    return Clip(size, times, pixels, fps, rotation, np.frombuffer(raw, np.int16), start, seconds)


def _delay(first: np.ndarray, second: np.ndarray) -> int:
    """By how many samples `second` lags behind `first`: the peak of their cross-correlation."""
    size = 1 << (len(first) + len(second)).bit_length()
    spectrum = np.conj(np.fft.rfft(first.astype(float), size)) * np.fft.rfft(second.astype(float), size)
    peak = int(np.argmax(np.fft.irfft(spectrum, size)))
    return peak if peak < size // 2 else peak - size


@pytest.fixture(scope="session")
def read_clip() -> Callable[[Path], Clip]:
    """``read_clip(path)`` -> `Clip`."""
    return _read_clip


@pytest.fixture(scope="session")
def delay() -> Callable[[np.ndarray, np.ndarray], int]:
    """``delay(first, second)`` in samples."""
    return _delay


@pytest.fixture(scope="session")
def ffmpeg() -> Callable[..., None]:
    """``ffmpeg(*arguments)``."""
    return _run
