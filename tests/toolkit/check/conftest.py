"""A miniature MER2024 corpus in order, copied for every test that spoils something in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from toolkit.check.run import check_corpus
from toolkit.data.labels import write_labels
from toolkit.globals import CorpusPaths, corpus_paths
from toolkit.preprocess.media import extract_audio_16k, ffmpeg_path
from toolkit.utils.read_files import write_csv

NAMES = [f"sample_{number:08d}" for number in range(1, 7)] + ['it\'s a $5 "clip".one', "zwölf"]
TRAIN, TEST = NAMES[:6], NAMES[6:]
EMOTIONS = ("neutral", "angry", "happy", "sad", "worried", "surprise")
SECONDS, RATE = 2, 10  # of every clip


def run_ffmpeg(*arguments: str) -> None:
    subprocess.run([ffmpeg_path(), "-v", "error", "-nostdin", "-y", *arguments], check=True)


def write_video(path: Path, sound: bool = True, *more: str) -> None:
    """64x48, 20 frames in 2 s, with a 440 Hz tone."""
    inputs = ["-f", "lavfi", "-i", f"testsrc=duration={SECONDS}:size=64x48:rate={RATE}"]
    if sound:
        inputs += ["-f", "lavfi", "-i", f"sine=frequency=440:duration={SECONDS}:sample_rate=16000", "-c:a", "aac"]
    run_ffmpeg(*inputs, "-c:v", "mpeg4", "-g", "5", *more, f"file:{path}")


def write_clip_parts(paths: CorpusPaths, name: str, number: int, video: Path, wav: Path) -> None:
    """Video, sound, faces with csv and two features of one clip."""
    generator = np.random.default_rng(number)
    shutil.copyfile(video, paths.video / f"{name}.mp4")
    shutil.copyfile(wav, paths.audio / f"{name}.wav")
    (paths.face / name).mkdir()
    faces = generator.integers(1, 255, (18, 8, 8, 3), dtype=np.uint8)
    np.save(paths.face / name / f"{name}.npy", faces)
    rows = [(frame, f"{frame / RATE:.4f}", "0.9900", 1, 2, 3, 4) for frame in range(18)]
    write_csv(paths.face / name / f"{name}.csv", ("frame", "time_s", "confidence", "x", "y", "w", "h"), rows)
    np.save(paths.features / "eGeMAPS_UTT" / f"{name}.npy", generator.standard_normal(16).astype(np.float32))
    frames = generator.standard_normal((4 + number, 6)).astype(np.float32)
    np.save(paths.features / "clip-vit-large-patch14-FRA" / f"{name}.npy", frames)
    text = generator.standard_normal(5).astype(np.float32)
    np.save(paths.features / "bert-base-chinese-UTT" / f"{name}.npy", text)


@pytest.fixture(scope="session")
def corpus_in_order(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root whose MER2024 has nothing to find."""
    root = tmp_path_factory.mktemp("order")
    paths = corpus_paths("MER2024", root)
    for folder in (paths.video, paths.audio, paths.face, paths.features):
        folder.mkdir(parents=True)
    for feature in ("eGeMAPS_UTT", "clip-vit-large-patch14-FRA", "bert-base-chinese-UTT"):
        (paths.features / feature).mkdir()
    video, wav = root / "clip.mp4", root / "clip.wav"
    write_video(video)
    extract_audio_16k(video, wav)
    for number, name in enumerate(NAMES):
        write_clip_parts(paths, name, number, video, wav)
    write_csv(paths.transcript, ("name", "chinese"), [(name, f"text {number}") for number, name in enumerate(NAMES)])
    train = {name: {"emo": emotion, "val": -10} for name, emotion in zip(TRAIN, EMOTIONS, strict=True)}
    test = {name: {"emo": "neutral", "val": -10} for name in TEST}
    write_labels(paths.label, {"train_corpus": train, "test1_corpus": test})
    age(paths)
    return root


def age(paths: CorpusPaths) -> None:
    """Give sources and results times of change in the order in which they are made."""
    for seconds, folder in ((1000, paths.video), (2000, paths.audio), (2000, paths.face), (3000, paths.features)):
        for file in folder.rglob("*"):
            os.utime(file, (seconds, seconds))
    os.utime(paths.transcript, (2000, 2000))


@pytest.fixture
def corpus(corpus_in_order: Path, tmp_path: Path) -> CorpusPaths:
    """The places of a copy of the corpus, to be spoilt; ``corpus.root.parent`` is its data root."""
    shutil.copytree(corpus_in_order, tmp_path / "data")
    return corpus_paths("MER2024", tmp_path / "data")


@pytest.fixture
def make_video() -> Callable[..., None]:
    """``make_video(path, sound, *ffmpeg arguments)``."""
    return write_video


@pytest.fixture
def names() -> list[str]:
    """The clips; all but the last two are the training samples."""
    return list(NAMES)


@pytest.fixture
def found() -> Callable[..., dict]:
    """Runs the check: ``{(part, code): [count, first names...]}``, the same in this process and in workers."""

    def run(paths: CorpusPaths, **options) -> dict[tuple[str, str], list]:
        report = check_corpus(paths.dataset, str(paths.root.parent), progress=False, **options)
        return {
            (part.title, code): [finding.count, *(name for name, _ in finding.examples)]
            for part in report.parts
            for code, finding in part.findings.items()
        }

    return run


@pytest.fixture
def details() -> Callable[..., dict]:
    """Runs the check: ``{code: [details]}``."""

    def run(paths: CorpusPaths, **options) -> dict[str, list[str]]:
        report = check_corpus(paths.dataset, str(paths.root.parent), progress=False, **options)
        return {
            code: [detail for _, detail in finding.examples]
            for part in report.parts
            for code, finding in part.findings.items()
        }

    return run
