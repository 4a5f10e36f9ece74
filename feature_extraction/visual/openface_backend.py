"""The back end that drives an installed OpenFace, as the original did, packed into the same arrays."""

from __future__ import annotations

import functools
import os
import shutil
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from feature_extraction.contract import Sample, SampleError
from feature_extraction.visual.face_alignment import FACE_SIZE
from feature_extraction.visual.face_files import Written, face_path, require_place, write_clip
from feature_extraction.visual.face_frames import image_files
from feature_extraction.visual.face_spool import save_pictures
from feature_extraction.visual.faces import FaceBackend
from feature_extraction.visual.openface_output import AlignedFace, image_output, read_picture, video_output
from feature_extraction.visual.openface_program import STALL_SECONDS, Stopped, own_words, run_program

# Only what we read: the aligned pictures (112 x 112, background masked, as the original's) and the landmarks.
ARGUMENTS = ("-simalign", "-2Dfp", "-simsize", str(FACE_SIZE))
LOST = "OpenFace lost the face in some frames (black pictures, confidence in the csv)"


@dataclass(frozen=True)
class OpenFaceBackend(FaceBackend):
    """OpenFace in child processes of threads; it takes several cores itself."""

    program: Path  # FeatureExtraction for videos, FaceLandmarkImg for folders of images
    stall_seconds: float = STALL_SECONDS
    name = "openface"

    def run(
        self, samples: Sequence[Sample], folder: Path, allow_empty: bool, num_workers: int
    ) -> Generator[tuple[int, Written | Exception], None, None]:
        stop = threading.Event()
        waiting = iter(range(len(samples)))
        running: dict[Future[Written], int] = {}
        pool = ThreadPoolExecutor(num_workers)
        try:
            while True:
                for position in islice(waiting, num_workers - len(running)):
                    running[pool.submit(self._clip, samples[position], folder, allow_empty, stop)] = position
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    error = future.exception()
                    if error is not None and not isinstance(error, Exception):
                        raise error
                    yield running.pop(future), future.result() if error is None else error
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _clip(self, sample: Sample, folder: Path, allow_empty: bool, stop: threading.Event) -> Written:
        """Run OpenFace on one clip and pack what it wrote."""
        if stop.is_set():
            raise Stopped("stopped")
        require_place(folder, sample.name)
        # Swept like every part file when this process was killed; beside the result, on the same disk.
        scratch = face_path(folder, sample.name).parent / f".openface.{os.getpid()}.part"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        try:
            images = sample.path.is_dir()
            source = "-fdir" if images else "-f"
            arguments = [source, str(sample.path), "-out_dir", str(scratch), *ARGUMENTS]
            text = run_program(self.program, arguments, scratch, stop, self.stall_seconds)
            faces = image_output(scratch, image_files(sample.path)) if images else video_output(scratch)
            lost = sum(not face.success for face in faces)
            if len(faces) == lost:
                if not allow_empty:
                    raise SampleError(
                        f"no face found in {sample.path} by OpenFace, which said: {own_words(text, arguments)}"
                    )
                faces, lost = [], 0
            write_clip(folder, sample.name, [face.row for face in faces], functools.partial(_save, faces))
            return Written(len(faces), (LOST,) if lost else ())
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _save(faces: Sequence[AlignedFace], path: Path) -> None:
    """Pack the pictures, read one by one, into the array ``(T, H, W, 3)``."""
    shape = read_picture(faces[0]).shape if faces else (FACE_SIZE, FACE_SIZE, 3)
    save_pictures(path, (len(faces), *shape), map(read_picture, faces))
