"""Corrupting clips: seconds per clip, ours against the original's way, on the same generated clips in the same run.

  python benchmarks/noise.py [--clips 48] [--workers 2] [--rounds 3] [--noise_seconds 510 60 8] [--short]

The original's way, 8 processes, a clip each: ffmpeg splits the sound into a wav; the noise file is read whole, as a
list of numbers, and mixed in; OpenCV opens the video twice (the first frame for the size, then all), blurs in BGR and
encodes an MPEG-4 avi with its own threads; ffmpeg copies that into the mp4 and encodes the sound.
Clips: 640 x 480, 4 s, 25 frames a second, H.264 with stereo AAC. Blur rates as our run draws them, the same for both
ways. The longer the noise files, the slower is the original's way and the better do we look, so three lengths are
measured; 510 s is the mean of MUSAN's speech as far as we could find out; see docs/noise.md. The start of our workers
is in the figures: the fewer clips, the heavier it weighs (--short: 16 clips, one round). Processor seconds depend less
on what else the machine does than wall-clock seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
import wave
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from toolkit.noise.clip_job import Settings
from toolkit.noise.draw import Draw
from toolkit.noise.noise_pool import open_pool
from toolkit.noise.run import corrupt_videos
from toolkit.noise.sound import write_wav
from toolkit.preprocess.media import ffmpeg_path

BLURS = (1, 2, 4)
SNRS = (5, 6, 7, 8, 9, 10)
ORIGINAL = "original, 8 processes"
Seconds = dict[str, list[tuple[float, float]]]  # by way


def make_clips(folder: Path, count: int) -> None:
    """Moving test pictures with a sweeping tone; all clips are one clip under several names."""
    folder.mkdir()
    picture = ["-f", "lavfi", "-i", "testsrc2=duration=4:size=640x480:rate=25"]
    tone = ["-f", "lavfi", "-i", "aevalsrc=0.3*sin(2*PI*(300+200*t)*t)*(0.2+abs(sin(3*t))):s=44100:d=4"]
    coding = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2", str(folder / "clip_000.mp4")]
    subprocess.run([ffmpeg_path(), "-v", "error", *picture, *tone, *coding], check=True)
    for number in range(1, count):
        os.link(folder / "clip_000.mp4", folder / f"clip_{number:03d}.mp4")


def make_noise(folder: Path, seconds: int) -> None:
    """Ten noise files, 16 kHz mono."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(10):
        write_wav(folder / f"noise_{number}.wav", rng.integers(-6000, 6000, 16000 * seconds).astype(np.int16))


def original_way(source: Path, work: Path, noise: Path, rate: int) -> None:
    """One clip by the original's steps."""
    clean, mixed, silent = (work / f"{source.stem}{ending}" for ending in (".wav", "-noisy.wav", ".avi"))
    ffmpeg = [ffmpeg_path(), "-v", "error", "-y"]
    subprocess.run([*ffmpeg, "-i", str(source), "-ac", "1", "-ar", "16000", str(clean)], check=True)
    speech, added = _wave(clean), []
    added.extend(_wave(noise))
    added = np.array(added[1000 : 1000 + len(speech)])
    total = speech + added * (np.sqrt(np.mean(speech**2)) / 10 ** (7 / 20) / np.sqrt(np.mean(added**2)))
    write_wav(mixed, (total / max(1.0, np.abs(total).max() / 32767)).astype(np.int16))
    first = cv2.VideoCapture(str(source))
    fps, size = first.get(cv2.CAP_PROP_FPS), _blurred(first.read()[1], rate).shape[1::-1]
    first.release()
    reader = cv2.VideoCapture(str(source))
    writer = cv2.VideoWriter(str(silent), cv2.VideoWriter_fourcc(*"DIVX"), fps, size)
    while (read := reader.read())[0]:
        writer.write(_blurred(read[1], rate))
    writer.release()
    muxing = ["-i", str(mixed), "-i", str(silent), "-c:v", "copy", "-c:a", "aac", str(work / f"{source.stem}.mp4")]
    subprocess.run([*ffmpeg, *muxing], check=True)


def _wave(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float64)


def _blurred(image: np.ndarray, rate: int) -> np.ndarray:
    for _ in range(rate.bit_length() - 1):
        image = cv2.pyrDown(image)
    for _ in range(rate.bit_length() - 1):
        image = cv2.pyrUp(image)
    return image


def original_set(clips: Path, work: Path, noise: Path, rates: dict[str, int], processes: int) -> None:
    """All clips, `processes` at a time."""
    work.mkdir()
    with ProcessPoolExecutor(processes, initializer=cv2.setNumThreads, initargs=(-1,)) as pool:
        waiting = [
            pool.submit(original_way, clip, work, noise / "noise_0.wav", rates[clip.stem]) for clip in clips.iterdir()
        ]
        for future in waiting:
            future.result()


def timed(work: Callable[[], object], clips: int) -> tuple[float, float]:
    """Wall-clock and processor seconds per clip, children included."""
    started, before = time.perf_counter(), processor_seconds()
    work()
    return (time.perf_counter() - started) / clips, (processor_seconds() - before) / clips


def processor_seconds() -> float:
    """Of this process and of its finished children."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def drawn_rates(clips: Path, noise: Path) -> dict[str, int]:
    """The blur rates that our run will draw."""
    digest = open_pool(noise, noise).digest
    return {clip.stem: Draw(0, clip.stem, digest).choose(BLURS, "blur") for clip in clips.iterdir()}


def measure(root: Path, clips: int, workers: int, rounds: int, lengths: list[int]) -> dict[int, Seconds]:
    """By noise length: of every way the (wall-clock, processor) seconds per clip, one pair a round. All take turns."""
    make_clips(root / "clips", clips)
    ways: dict[int, dict[str, Callable[[Path], object]]] = {}
    for length in lengths:
        noise = root / f"noise-{length}"
        make_noise(noise, length)
        rates = drawn_rates(root / "clips", noise)
        shares = ", ".join(f"{list(rates.values()).count(rate)} of rate {rate}" for rate in BLURS)
        print(f"noise files of {length} s: {clips} clips, blur: {shares}")
        ways[length] = {ORIGINAL: partial(_original, root / "clips", noise, rates)}
        for codec in ("mpeg4", "libx264", "copy_when_sharp"):
            ways[length][f"ours, {codec}, {workers} workers"] = partial(_ours, root / "clips", noise, codec, workers)
    seconds: dict[int, Seconds] = {length: {way: [] for way in ways[length]} for length in lengths}
    print(f"{len(os.sched_getaffinity(0))} cores; load before {os.getloadavg()}")
    for _ in range(rounds):
        for length in lengths:
            for way, work in ways[length].items():
                seconds[length][way].append(timed(partial(work, root / "made"), clips))
                shutil.rmtree(root / "made")
    print(f"load after {os.getloadavg()}")
    return seconds


def _original(clips: Path, noise: Path, rates: dict[str, int], target: Path) -> None:
    original_set(clips, target, noise, rates, 8)


def _ours(clips: Path, noise: Path, codec: str, workers: int, target: Path) -> None:
    settings = Settings(0, SNRS, BLURS, codec)
    with contextlib.redirect_stdout(None):
        report = corrupt_videos(clips, target, settings, noise_root=noise, workers=workers, progress=False)
    assert report.done and not report.failures, report.failures


def print_ratios(length: int, seconds: Seconds) -> None:
    """One line per way: medians over the rounds, and ratios to the original's."""
    print(f"noise files of {length} s: seconds per clip, median of the rounds (range); times faster than the original")
    medians = {way: [statistics.median(column) for column in zip(*rows, strict=True)] for way, rows in seconds.items()}
    for way, (wall, processor) in medians.items():
        walls = [pair[0] for pair in seconds[way]]
        print(
            f"{way:34} wall {wall:.3f} ({min(walls):.3f}-{max(walls):.3f}) {medians[ORIGINAL][0] / wall:4.1f} x"
            f"   processor {processor:.3f} {medians[ORIGINAL][1] / processor:4.1f} x"
        )


def main() -> None:
    """Measure and print, a table per noise length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--noise_seconds", type=int, nargs="+", default=[510, 60, 8], help="lengths of noise files")
    parser.add_argument("--short", action="store_true", help="16 clips, one round")
    args = parser.parse_args()
    clips, rounds = (16, 1) if args.short else (args.clips, args.rounds)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        seconds = measure(Path(folder), clips, args.workers, rounds, args.noise_seconds)
    for length, ways in seconds.items():
        print_ratios(length, ways)


if __name__ == "__main__":
    main()
