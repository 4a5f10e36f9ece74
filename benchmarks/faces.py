"""The face step: frames per second with one worker, with two, and as a plain loop; memory of a long clip.

  python benchmarks/faces.py [--clips 24] [--rounds 3]
  python benchmarks/faces.py --memory [--minutes 1 10]

All ways use MTCNN on the demo's clips, in turn, several rounds; the ratios are of wall-clock seconds. The plain loop
does what the original does around its detector: one clip after the other in one process, every frame looked at, the
aligned faces written as bmp files, read again, packed into the npy, the bmp files deleted; OpenCV may use all cores.
Starting the worker processes counts as time of ours. Ours is measured twice: as it is by default (detection on every
third frame, landmarks between interpolated), and with detection on every frame. Where other programs run on the
machine, look at the fastest rounds and at the processor seconds.

--memory writes a long clip by repeating a demo clip and prints the peak memory of the process that does it.
"""

from __future__ import annotations

import argparse
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
from feature_extraction.visual.faces import MtcnnBackend, extract_faces
from feature_extraction.visual.video_faces import FaceOptions, find_faces
from toolkit.globals import PATH_TO_REPOSITORY

DEMO = PATH_TO_REPOSITORY / "demo" / "mer2024-dataset"
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


def ours(samples: list[Sample], folder: Path, workers: int, detect_every: int) -> None:
    """The face step as the script runs it."""
    backend = MtcnnBackend(FaceOptions(detect_every=detect_every))
    report = extract_faces(samples, folder, backend, num_workers=workers, progress=False)
    if report.failures:
        raise RuntimeError(f"clips failed: {report.failures}")


def seconds_of(work: Callable[[list[Sample], Path], None], samples: list[Sample]) -> tuple[float, float]:
    """Wall-clock and processor seconds of `work` (its child processes included) with an empty output folder."""
    with tempfile.TemporaryDirectory() as folder:
        started, processor = time.perf_counter(), processor_seconds()
        work(samples, Path(folder))
        return time.perf_counter() - started, processor_seconds() - processor


def processor_seconds() -> float:
    """Of this process and its ended children."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def benchmark_speed(count: int, rounds: int) -> None:
    """Print frames per second of every way, and the ratios."""
    videos = sorted(DEMO.rglob("*.mp4"))
    samples = [Sample(f"clip_{number:03d}", videos[number % len(videos)]) for number in range(count)]
    frames = sum(1 for sample in samples for _ in VideoFrames(sample.path))
    ways = {
        "plain loop, one clip at a time": plain_loop,
        "ours, 1 worker": lambda samples, folder: ours(samples, folder, 1, 3),
        "ours, 2 workers": lambda samples, folder: ours(samples, folder, 2, 3),
        "ours, 1 worker, every frame detected": lambda samples, folder: ours(samples, folder, 1, 1),
        "ours, 2 workers, every frame detected": lambda samples, folder: ours(samples, folder, 2, 1),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            taken[name].append(seconds_of(work, samples))
    print(f"{count} clips, {frames} frames, {rounds} rounds: median, fastest round, processor seconds (median)")
    for name, times in taken.items():
        wall, processor = zip(*times, strict=True)
        rate = frames / statistics.median(wall)
        print(
            f"  {name:38} {rate:6.1f} frames/s {statistics.median(wall):6.1f} s {min(wall):6.1f} s "
            f"{statistics.median(processor):6.1f} s"
        )
    for label, of in (("median", statistics.median), ("fastest", min)):
        plain, one, two, one_every, two_every = (of([wall for wall, _ in times]) for times in taken.values())
        print(f"{label}: 2 workers against 1: {one / two:.2f} times; every frame detected {one_every / two_every:.2f}")
        print(
            f"{label}: 2 workers against the plain loop: {plain / two:.2f} times; every frame {plain / two_every:.2f}"
        )


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
    parser.add_argument("--clips", type=int, default=24, help="how many (default 24)")
    parser.add_argument("--rounds", type=int, default=3, help="of every way (default 3)")
    parser.add_argument("--memory", action="store_true", help="peak memory instead of speed")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10], help="of the long clips (default 1 10)")
    args = parser.parse_args()
    if args.memory:
        benchmark_memory(args.minutes)
    else:
        benchmark_speed(args.clips, args.rounds)


if __name__ == "__main__":
    main()
