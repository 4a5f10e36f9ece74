"""The faces of a corpus: ``openface_face/<name>/<name>.npy`` (and ``.csv``) for every video, by worker processes."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from feature_extraction.contract import Sample, SampleError
from feature_extraction.save_loop import ExtractionReport
from feature_extraction.visual.face_alignment import FACE_SIZE
from feature_extraction.visual.video_faces import MIN_CONFIDENCE, ClipFaces, FaceOptions, clip_faces, face_rows
from feature_extraction.visual.worker_pool import run_each
from toolkit.utils import atomic
from toolkit.utils.errors import UserError
from toolkit.utils.failures import update_failures
from toolkit.utils.progress import progress_bar
from toolkit.utils.read_files import write_csv

VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov")
COLUMNS = ("frame", "time_s", "confidence", "x", "y", "w", "h")


def video_samples(folder: Path) -> list[Sample]:
    """One sample per video file in `folder`, in name order.

    Raises:
        UserError: no such folder, no video in it, or two videos of one name.
    """
    if not folder.is_dir():
        raise UserError(
            f"{folder} does not exist; make it with `./run-mer2024.sh preprocess`, or point --data_root there"
        )
    videos = [path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES and path.name[0] != "."]
    videos = [path for path in videos if path.is_file()]
    samples: dict[str, Sample] = {}
    for path in sorted(videos):
        if path.stem in samples:
            raise UserError(f"{path} and {samples[path.stem].path} would both be {path.stem!r}; rename or remove one")
        samples[path.stem] = Sample(path.stem, path)
    if not samples:
        raise UserError(f"{folder} holds no video ({', '.join(VIDEO_SUFFIXES)})")
    return [samples[name] for name in sorted(samples)]


def face_path(folder: Path, name: str) -> Path:
    """Where the faces of clip `name` are kept."""
    return folder / name / f"{name}.npy"


def is_whole(path: Path) -> bool:
    """Whether `path` holds aligned faces, as many as its header says (none is a number too)."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError):
        return False
    return array.dtype == np.uint8 and array.ndim == 4 and array.shape[1:] == (FACE_SIZE, FACE_SIZE, 3)


def extract_faces(
    samples: Sequence[Sample],
    folder: Path,
    options: FaceOptions,
    *,
    num_workers: int = 2,
    overwrite: bool = False,
    allow_empty: bool = False,
    progress: bool = True,
) -> ExtractionReport:
    """Write the faces of the videos `samples` into `folder`; clips that are finished are skipped unless `overwrite`.

    A clip without a face is a failure, or with `allow_empty` an array (0, 112, 112, 3). The npy is written last and
    whole, so its presence means that the clip is finished. Results do not depend on `num_workers`.
    """
    started = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    atomic.remove_orphans(folder)
    report = ExtractionReport([folder])
    todo = [sample for sample in samples if overwrite or not is_whole(face_path(folder, sample.name))]
    report.skipped = len(samples) - len(todo)
    work = functools.partial(_faces_of, options)
    jobs = [sample.path for sample in todo]
    with (
        progress_bar(len(todo), "faces", enabled=progress) as bar,
        contextlib.closing(run_each(work, jobs, num_workers)) as results,
    ):
        for position, result in results:
            sample = todo[position]
            try:
                _save(folder, sample, result, options, allow_empty)
                report.done += 1
            except SampleError as error:
                report.failures.append((sample.name, str(error)))
            bar.update()
    report.failures.sort()
    attempted = {sample.name for sample in todo}
    update_failures(folder, report.failures, attempted, lambda name: face_path(folder, name).exists())
    report.seconds = time.perf_counter() - started
    return report


def _faces_of(options: FaceOptions, path: Path) -> ClipFaces:
    cv2.setNumThreads(1)  # clips run side by side; and the same sums in the same order everywhere
    return clip_faces(path, options)


def _save(folder: Path, sample: Sample, result: ClipFaces | Exception, options: FaceOptions, allow_empty: bool) -> None:
    """Write one clip's csv, then its npy; a `SampleError` if there is nothing to write."""
    if isinstance(result, SampleError):
        raise result
    if isinstance(result, Exception):
        raise SampleError(f"{sample.path}: {type(result).__name__}: {' '.join(str(result).split())}") from result
    if not len(result.faces) and not allow_empty:
        raise SampleError(
            f"no face found in {sample.path}: {result.frames} frames, none with a face of at least "
            f"{options.min_face_size} pixels (confidence {MIN_CONFIDENCE}); lower --min_face_size, or --allow_empty"
        )
    path = face_path(folder, sample.name)
    path.parent.mkdir(exist_ok=True)
    atomic.remove_orphans(path.parent)
    write_csv(path.with_name(f"{sample.name}.csv"), COLUMNS, face_rows(result))
    atomic.save_npy(path, result.faces)
