"""The prepared faces of a clip, and batches of them that bound memory whatever the clips' length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from feature_extraction.contract import Sample
from feature_extraction.visual.face_reader import naming_file, read_faces
from feature_extraction.visual.picture_transforms import FaceView

PREPARED_BYTES = 96 << 20  # most bytes that a clip is prepared ahead; a longer one is prepared piece by piece
USUAL_FACE_BYTES = 112 * 112 * 3  # of a file, per frame
FRAMES_PER_BATCH = 512  # at the usual size; 80 to 100 MB prepared


@dataclass(frozen=True)
class FaceClip:
    """`count` faces as a network sees them: prepared, or (a long clip) to be read from the file as they are needed."""

    sample: Sample
    view: FaceView
    count: int
    prepared: np.ndarray | None = None  # (T, S, S, 3) uint8 RGB

    def pictures(self, start: int, stop: int) -> np.ndarray:
        """Faces `start` to `stop`, ``(n, S, S, 3)`` uint8 RGB."""
        if self.prepared is not None:
            return self.prepared[start:stop]
        return prepared(read_faces(self.sample)[start:stop], self.view)


@dataclass(frozen=True)
class FaceLoad:
    """Picklable: a sample -> its `FaceClip`."""

    view: FaceView

    def __call__(self, sample: Sample) -> FaceClip:
        faces = read_faces(sample)
        with naming_file(sample):
            if len(faces) * self.view.size**2 * 3 > PREPARED_BYTES:
                prepared(faces[:1], self.view)  # a picture that cannot be used fails here, not amid its batch
                return FaceClip(sample, self.view, len(faces))
            return FaceClip(sample, self.view, len(faces), prepared(faces, self.view))


def prepared(faces: np.ndarray, view: FaceView) -> np.ndarray:
    """BGR faces ``(T, H, W, 3)`` -> what the network sees, ``(T, S, S, 3)`` uint8 RGB."""
    pictures = np.empty((len(faces), view.size, view.size, 3), np.uint8)
    for index, face in enumerate(faces):
        pictures[index] = view.picture(face)
    return pictures


def in_chunks(clips: Sequence[FaceClip], size: int) -> Iterator[np.ndarray]:
    """All pictures of all clips, in order, `size` at a time: chunks go over the borders of clips."""
    waiting: list[np.ndarray] = []
    room = size
    for clip in clips:
        start = 0
        while start < clip.count:
            part = clip.pictures(start, min(clip.count, start + room))
            waiting.append(part)
            start += len(part)
            room -= len(part)
            if room == 0:
                yield np.concatenate(waiting)
                waiting, room = [], size
    if waiting:
        yield np.concatenate(waiting)
