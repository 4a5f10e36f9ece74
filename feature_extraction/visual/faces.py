"""The faces of a corpus: ``openface_face/<name>/<name>.npy`` (and ``.csv``) for every clip, by a back end."""

from __future__ import annotations

import abc
import contextlib
import errno
import functools
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from feature_extraction.contract import Sample, SampleError
from feature_extraction.manifest import locked
from feature_extraction.save_loop import ExtractionReport
from feature_extraction.visual.face_clips import ABSENT
from feature_extraction.visual.face_files import Written, face_path, is_whole, remove_clip, sweep_clip, write_clip
from feature_extraction.visual.face_frames import open_frames
from feature_extraction.visual.face_spool import FaceSpool
from feature_extraction.visual.video_faces import MIN_CONFIDENCE, FaceOptions, pick_faces, track_faces
from feature_extraction.visual.worker_pool import run_each
from toolkit.preprocess.batch import printable
from toolkit.utils import atomic
from toolkit.utils.errors import UserError
from toolkit.utils.failures import older_failures, update_failures
from toolkit.utils.progress import progress_bar


class FaceBackend(abc.ABC):
    """Finds, aligns and writes the faces of clips; `name` is what ``--backend`` calls it."""

    name: str

    @abc.abstractmethod
    def run(
        self, samples: Sequence[Sample], folder: Path, allow_empty: bool, num_workers: int
    ) -> Generator[tuple[int, Written | Exception], None, None]:
        """Do all clips; yields their positions as they are done, with what was written or why not.

        Closed early, it stops what is under way.
        """


def extract_faces(
    samples: Sequence[Sample],
    folder: Path,
    backend: FaceBackend,
    *,
    num_workers: int = 2,
    overwrite: bool = False,
    allow_empty: bool = False,
    absent: Sequence[tuple[str, str]] | None = (),
    progress: bool = True,
) -> ExtractionReport:
    """Write the faces of the clips `samples` into `folder`; clips that are finished are skipped unless `overwrite`.

    A clip without a face is a failure, or with `allow_empty` an array (0, 112, 112, 3). The npy is written last and
    whole, so its presence means that the clip is finished; a clip that fails has none, not an older one either.
    Results do not depend on `num_workers`. Failures too, and listed, are `absent`: names of a list that no clip has,
    with the reason (`ABSENT ...`); those of earlier lists are forgotten, unless it is None (another job's matter).

    Raises:
        UserError: the back end cannot be used at all.
        OSError: the disk is full.
    """
    started = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    atomic.remove_orphans(folder)
    report = ExtractionReport([folder])
    todo = [sample for sample in samples if overwrite or not is_whole(face_path(folder, sample.name))]
    report.skipped = len(samples) - len(todo)
    under_way = {sample.name for sample in todo}
    try:
        with (
            progress_bar(len(todo), f"faces ({backend.name})", enabled=progress) as bar,
            contextlib.closing(backend.run(todo, folder, allow_empty, num_workers)) as results,
        ):
            for position, result in results:
                _note(report, folder, todo[position], result)
                under_way.discard(todo[position].name)
                bar.update()
    finally:
        for name in under_way:
            sweep_clip(folder, name)
    report.failures = sorted([*report.failures, *((printable(name), printable(why)) for name, why in absent or ())])
    attempted = {printable(sample.name) for sample in todo}
    with locked(folder):  # shards share the list
        if absent is not None:
            attempted |= {name for name, reason in older_failures(folder) if reason.startswith(ABSENT)}
        update_failures(folder, report.failures, attempted, lambda name: face_path(folder, name).exists())
    report.seconds = time.perf_counter() - started
    return report


def _note(report: ExtractionReport, folder: Path, sample: Sample, result: Written | Exception) -> None:
    """Count a finished clip, or list it with its reason; raise what concerns the whole run."""
    if isinstance(result, Written):
        report.done += 1
        report.add_notes(printable(sample.name), result.notes)
        return
    if isinstance(result, UserError) or getattr(result, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        raise result  # every further clip would fail, too
    text = " ".join(str(result).split())
    reason = text if isinstance(result, SampleError) else f"{sample.path}: {type(result).__name__}: {text}"
    try:
        remove_clip(folder, sample.name)
    except OSError as error:
        reason += f"; its older faces cannot be removed ({error.strerror}): remove {error.filename}"
    report.failures.append((printable(sample.name), printable(reason)))


@dataclass(frozen=True)
class MtcnnBackend(FaceBackend):
    """MTCNN in worker processes: every worker decodes, detects, aligns and writes whole clips."""

    options: FaceOptions = FaceOptions()
    name = "mtcnn"

    def run(
        self, samples: Sequence[Sample], folder: Path, allow_empty: bool, num_workers: int
    ) -> Generator[tuple[int, Written | Exception], None, None]:
        # the longest first: no worker is left alone with it at the end
        order = sorted(range(len(samples)), key=lambda position: -_bytes(samples[position].path))
        write = functools.partial(write_faces, self.options, folder, allow_empty)
        with contextlib.closing(run_each(write, [samples[position] for position in order], num_workers)) as results:
            for at, result in results:
                yield order[at], result


def _bytes(path: Path) -> int:
    """Size on the disk, as a guess at the time that a clip takes; 0 when it cannot be read."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def write_faces(options: FaceOptions, folder: Path, allow_empty: bool, sample: Sample) -> Written:
    """Find and write the faces of one clip, a video file or a folder of images, with one thread of OpenCV.

    Raises:
        SampleError: it cannot be read, or has no face.
    """
    cv2.setNumThreads(1)  # clips run side by side; and the same sums in the same order everywhere
    return find_and_write(options, folder, allow_empty, sample)


def find_and_write(options: FaceOptions, folder: Path, allow_empty: bool, sample: Sample) -> Written:
    """`write_faces` with as many threads as OpenCV is set to."""
    frames = open_frames(sample.path)
    find = pick_faces if sample.path.is_dir() else track_faces
    with FaceSpool(folder) as spool:
        found = find(frames, options, spool)
        if not found.rows and not allow_empty:
            raise SampleError(no_face(sample.path, found.frames, options))
        write_clip(folder, sample.name, found.rows, functools.partial(spool.save, positions=found.positions))
    return Written(len(found.rows), tuple(frames.complaints))


def no_face(path: Path, frames: int, options: FaceOptions) -> str:
    """What is said of a clip without a face."""
    return (
        f"no face found in {path}: {frames} frames, none with a face of at least "
        f"{options.min_face_size} pixels (confidence {MIN_CONFIDENCE}); lower --min_face_size, or --allow_empty"
    )
