"""The face step: frames per second in one process, with two workers, and as a plain loop; memory of a long clip.

  python benchmarks/faces.py --short               # under a minute on an idle machine
  python benchmarks/faces.py [--clips 60] [--rounds 3] [--every_frame]
  python benchmarks/faces.py --memory [--minutes 1 10]

All ways use MTCNN on the demo's clips, in turn, several rounds. "One process" is ours without workers, with OpenCV's
default threads and with one. Starting the worker processes counts as time of two workers. The plain loop does what the
original does around its detector: one clip after the other in one process, every frame looked at, the aligned faces
written as bmp files, read again, packed into the npy, the bmp files deleted; it is slow and gets an eighth of the
clips. Ours looks at every third frame and interpolates the landmarks between; with --every_frame it is measured on
every frame as well. Where other programs run on the machine, look at the fastest rounds and at the processor seconds.

--memory writes a long clip by repeating a demo clip and prints the peak memory of the process that does it.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np

from feature_extraction.contract import Sample
from feature_extraction.visual.face_alignment import align_face
from feature_extraction.visual.face_frames import VideoFrames
from feature_extraction.visual.faces import MtcnnBackend, extract_faces, find_and_write
from feature_extraction.visual.video_faces import FaceOptions, find_faces
from toolkit.globals import PATH_TO_REPOSITORY

Way = Callable[[list[Sample], Path], None]
DEMO = PATH_TO_REPOSITORY / "demo" / "mer2024-dataset"
PLAIN = "plain loop"
CHILD = """
import resource, sys
from pathlib import Path
from feature_extraction.contract import Sample
from feature_extraction.visual.faces import write_faces
from feature_extraction.visual.video_faces import FaceOptions
written = write_faces(FaceOptions(), Path(sys.argv[2]), False, Sample("clip", Path(sys.argv[1])))
print(written.faces, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def plain_loop(samples: list[Sample], folder: Path) -> None:
    """One clip after the other, as the original does it."""
    for sample in samples:
        pictures = folder / sample.name / "aligned"
        pictures.mkdir(parents=True)
        for number, frame in enumerate(VideoFrames(sample.path)):
            faces = find_faces(frame.picture, FaceOptions().min_face_size)
            if faces:
                largest = max(faces, key=lambda face: face.size)
                picture = align_face(frame.picture, largest.landmarks)
                cv2.imwrite(str(pictures / f"frame_det_00_{number:06d}.bmp"), picture)
        packed = [cv2.imread(str(path)) for path in sorted(pictures.iterdir())]
        np.save(folder / sample.name / f"{sample.name}.npy", packed)
        shutil.rmtree(pictures)


def one_process(samples: list[Sample], folder: Path, threads: int, detect_every: int) -> None:
    """Ours, clip after clip in this process; `threads` of OpenCV, -1: its default."""
    cv2.setNumThreads(threads)
    try:
        for sample in samples:
            find_and_write(FaceOptions(detect_every=detect_every), folder, False, sample)
    finally:
        cv2.setNumThreads(-1)


def workers(samples: list[Sample], folder: Path, number: int, detect_every: int) -> None:
    """Ours as the script runs it."""
    backend = MtcnnBackend(FaceOptions(detect_every=detect_every))
    report = extract_faces(samples, folder, backend, num_workers=number, progress=False)
    if report.failures:
        raise RuntimeError(f"clips failed: {report.failures}")


def seconds_of(work: Way, samples: list[Sample]) -> tuple[float, float]:
    """Wall-clock and processor seconds of `work` (its child processes included) with an empty output folder."""
    with tempfile.TemporaryDirectory() as folder:
        started, processor = time.perf_counter(), processor_seconds()
        work(samples, Path(folder))
        return time.perf_counter() - started, processor_seconds() - processor


def processor_seconds() -> float:
    """Of this process and its ended children."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def ways(detect_every: int) -> dict[str, Way]:
    """One process with two counts of threads, and two workers."""
    label = ", every frame" if detect_every == 1 else ""
    return {
        f"one process, OpenCV's threads{label}": lambda samples, folder: one_process(samples, folder, -1, detect_every),
        f"one process, one thread{label}": lambda samples, folder: one_process(samples, folder, 1, detect_every),
        f"two workers{label}": lambda samples, folder: workers(samples, folder, 2, detect_every),
    }


def benchmark_speed(count: int, rounds: int, every_frame: bool) -> None:
    """Print frames per second of every way, and how often two workers do the work of the others."""
    videos = sorted(DEMO.rglob("*.mp4"))
    samples = [Sample(f"clip_{number:03d}", videos[number % len(videos)]) for number in range(count)]
    part = samples[: max(1, count // 8)]
    frames = {len(some): sum(1 for sample in some for _ in VideoFrames(sample.path)) for some in (part, samples)}
    sets = [ways(3), ways(1)] if every_frame else [ways(3)]
    measured = {PLAIN: plain_loop} | {name: work for some in sets for name, work in some.items()}
    groups = [([PLAIN, *list(some)[:-1]], list(some)[-1]) for some in sets]  # two workers against the others
    print(f"{count} clips, {frames[count]} frames (plain loop: {frames[len(part)]}), {rounds} rounds; load {load()}")
    rates: dict[str, list[float]] = {name: [] for name in measured}
    processor: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(rounds):
        for name, work in measured.items():
            some = part if work is plain_loop else samples
            wall, busy = seconds_of(work, some)
            rates[name].append(frames[len(some)] / wall)
            processor[name].append(1000 * busy / frames[len(some)])
    print(f"{'':40} median, fastest frames/s; processor ms per frame; load now {load()}")
    for name in measured:
        cost = statistics.median(processor[name])
        print(f"  {name:38} {statistics.median(rates[name]):6.1f} {max(rates[name]):8.1f} {cost:10.1f}")
    for others, two in groups:
        for other in others:
            median, best = (of(rates[two]) / of(rates[other]) for of in (statistics.median, max))
            print(f"{two} against {other}: {median:.2f} times (median), {best:.2f} (fastest rounds)")


def load() -> str:
    """Programs that want to run, by the system's own mean over a minute."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def write_long_clip(path: Path, minutes: float) -> None:
    """A demo clip's packets, repeated."""
    video = min(DEMO.rglob("*.mp4"))
    with av.open(str(path), "w") as sink:
        stream, shift = None, 0
        while stream is None or shift * stream.time_base < 60 * minutes:
            with av.open(str(video)) as source:
                own = source.streams.video[0]
                stream = stream or sink.add_stream_from_template(own)
                for packet in source.demux(own):
                    if packet.dts is not None:
                        packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                        sink.mux(packet)
                shift += own.duration


def benchmark_memory(minutes: list[float]) -> None:
    """Print the peak memory of a process that does one clip, for several lengths."""
    for length in minutes:
        with tempfile.TemporaryDirectory() as folder:
            write_long_clip(Path(folder) / "clip.mp4", length)
            command = [sys.executable, "-c", CHILD, str(Path(folder) / "clip.mp4"), folder]
            done = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            faces, peak = int(done[0]), float(done[1])
        size = faces * 112 * 112 * 3 / 2**20
        print(f"{length:g} minutes: {faces} faces, an array of {size:.0f} MB, peak memory {peak:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=60, help="how many (default 60)")
    parser.add_argument("--rounds", type=int, default=3, help="of every way (default 3)")
    parser.add_argument("--every_frame", action="store_true", help="measure detection on every frame, too")
    parser.add_argument("--short", action="store_true", help="24 clips, 2 rounds")
    parser.add_argument("--memory", action="store_true", help="peak memory instead of speed")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10], help="of the long clips (default 1 10)")
    args = parser.parse_args()
    if args.memory:
        benchmark_memory(args.minutes)
    elif args.short:
        benchmark_speed(24, 2, args.every_frame)
    else:
        benchmark_speed(args.clips, args.rounds, args.every_frame)


if __name__ == "__main__":
    main()
