"""Clips and miniature downloads for the tests of preprocessing."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import av
import numpy as np
import pytest

from toolkit.preprocess.media import ffmpeg_path

MakeClip = Callable[..., Path]
FPS = 10
CLICK = 1.5  # seconds: the one moment of a numbered video that is not silent


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


def left_luma(frame: int) -> int:
    return 20 + 5 * frame


def right_luma(frame: int) -> int:
    return 235 - 5 * frame


@pytest.fixture(scope="session")
def make_numbered() -> MakeClip:
    """``make_numbered(path, frames, sound)``: frame i has luma 20 + 5 i on its left, 235 - 5 i on its right half.

    10 fps, a key frame every 12 frames; the sound (16 kHz) is silence but for one click at 1.5 s.
    """

    def make(path: Path, frames: int = 40, sound: bool = True, width: int = 160, height: int = 120) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w", format="avi" if path.suffix == ".avi" else "mov") as container:
            pixels = "yuv420p" if width % 2 == height % 2 == 0 else "yuv444p"
            video = container.add_stream("mpeg4" if pixels == "yuv420p" else "ffv1", rate=FPS)
            video.width, video.height, video.pix_fmt, video.bit_rate = width, height, pixels, 2_000_000
            video.codec_context.gop_size = 12
            audio = container.add_stream("pcm_s16le", rate=16000, layout="mono") if sound else None
            for index in range(frames):
                picture = np.full((height * 3 // 2 if pixels == "yuv420p" else 3 * height, width), 128, np.uint8)
                picture[:height, : width // 2] = left_luma(index)
                picture[:height, width // 2 :] = right_luma(index)
                if pixels == "yuv444p":
                    picture = picture.reshape(3, height, width)
                frame = av.VideoFrame.from_ndarray(picture, format=pixels)
                frame.pts = index
                container.mux(video.encode(frame))
            container.mux(video.encode())
            if audio is not None:
                samples = np.zeros((1, 16000 * frames // FPS), np.int16)
                samples[:, int(CLICK * 16000) : int(CLICK * 16000) + 32] = 20000
                sound_frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
                sound_frame.sample_rate = 16000
                container.mux(audio.encode(sound_frame))
                container.mux(audio.encode())
        return path

    return make


def lumas(path: Path) -> list[tuple[int, int]]:
    """(mean luma of the left half, of the right half) of every frame, and nothing about pixels at borders."""
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            luma = frame.to_ndarray(format="yuv420p")[: frame.height].astype(float)
            half = frame.width // 2
            found.append((round(luma[:, : half - 2].mean()), round(luma[:, half + 2 :].mean())))
    return found


@pytest.fixture(scope="session")
def read_lumas() -> Callable[[Path], list[tuple[int, int]]]:
    """Luma of the two halves of every frame of a video."""
    return lumas


@pytest.fixture(scope="session")
def tiny_video(make_numbered: MakeClip, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The content of a video of 3 frames without sound, 160x120."""
    return make_numbered(tmp_path_factory.mktemp("tiny") / "tiny.mp4", frames=3, sound=False).read_bytes()


@pytest.fixture
def put_videos(tiny_video: bytes) -> Callable[[Path, Sequence[str]], None]:
    """``put_videos(folder, names)``: ``<name>.mp4`` there for each name, all of different sizes."""

    def put(folder: Path, names: Sequence[str]) -> None:
        for number, name in enumerate(names):
            path = folder / f"{name}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            padding = number + 8  # a "free" box, which readers pass over
            path.write_bytes(tiny_video + padding.to_bytes(4, "big") + b"free" + bytes(number))

    return put


def state(folder: Path) -> dict[str, tuple[int, str]]:
    """Path -> (modification time in ns, digest) of every file below `folder`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in files
    }


@pytest.fixture
def folder_state() -> Callable[[Path], dict[str, tuple[int, str]]]:
    """Modification times and digests of all files of a folder."""
    return state


@pytest.fixture
def run_twice(capsys: pytest.CaptureFixture) -> Callable[..., str]:
    """``run_twice(module, raw, data)`` -> what the first run printed.

    Asserts that the exit status is as stated both times, that the second run changes no file (but the list of
    failures), and that no file of the download changes.
    """

    def run(module: ModuleType, raw: Path, data: Path, *more: str, status: int = 0) -> str:
        arguments = ["--raw_root", str(raw), "--data_root", str(data), *more]
        before = state(raw)
        assert module.main(arguments) == status
        output = capsys.readouterr().out
        made = {path: value for path, value in state(data).items() if not path.endswith("failures.csv")}
        assert module.main(arguments) == status
        assert {path: value for path, value in state(data).items() if not path.endswith("failures.csv")} == made
        assert state(raw) == before
        assert "0 done," in capsys.readouterr().out
        assert list(data.rglob("*.part")) == []
        return output

    return run
