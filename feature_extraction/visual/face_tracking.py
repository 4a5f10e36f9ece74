"""From faces per frame to one face per clip: linking detections into tracks, and choosing the main track.

Nothing here looks at pixels. The rules:

- A detection continues the track whose last box overlaps it most (intersection over union of at least 0.3), however
  long ago that was: a person who is hidden for a second is the same person at the same place. What continues no track
  starts one.
- Between two detections of a track, landmarks and box are interpolated linearly in time, when at most `max_gap` frames
  lie between them, or only such as the detector did not look at, and they are at most a second apart (at low frame
  rates a dozen frames is long). Frames of a longer gap, before the first and after the last detection have no face.
- The main face is the track with the largest sum of face sizes (square root of the box's area) over its frames, filled
  ones included: a face seen twice as long counts as much as one twice as wide. Among equals the earlier, then the
  further left wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

MIN_OVERLAP = 0.3  # intersection over union at which two boxes are one person
MAX_GAP_SECONDS = 1.0  # longest time between two detections that is filled


@dataclass(frozen=True)
class Face:
    """A face in one frame, all in pixels; `confidence` is None where the face was interpolated."""

    box: tuple[float, float, float, float]  # x, y, width, height
    landmarks: np.ndarray  # (5, 2): left eye, right eye, nose, left mouth corner, right mouth corner
    confidence: float | None

    @property
    def size(self) -> float:
        """Square root of the box's area."""
        return float(np.sqrt(max(self.box[2], 0) * max(self.box[3], 0)))


@dataclass
class Track:
    """One person: the last detection, and where and how much was seen so far."""

    first_frame: int
    first_box: tuple[float, float, float, float]
    frame: int
    face: Face
    weight: float = 0.0
    steps: list[tuple[int, Face]] = field(default_factory=list)  # what the newest detection added

    def extend(self, frame: int, face: Face, max_gap: int, times: Sequence[float] | None) -> None:
        """Add a detection; `steps` becomes the frames that it settles: filled ones, then its own."""
        self.steps = []
        if 0 < frame - self.frame - 1 <= max_gap:
            ages = range(self.frame - frame, 1)  # frames from the last detection to this one, counted back from it
            if times is None or (len(times) >= len(ages) and times[-1] - times[ages[0] - 1] <= MAX_GAP_SECONDS):
                clock = list(ages) if times is None else [times[age - 1] for age in ages]
                parts = [(time - clock[0]) / (clock[-1] - clock[0]) for time in clock]
                self.steps = [(frame + ages[i], _between(self.face, face, parts[i])) for i in range(1, len(ages) - 1)]
        self.steps.append((frame, face))
        self.frame, self.face = frame, face
        self.weight += sum(step.size for _, step in self.steps)


class FaceLinker:
    """Links detections into tracks, frame after frame; `tracks` holds all of them in order of appearance."""

    def __init__(self, max_gap: int) -> None:
        self.max_gap = max_gap
        self.tracks: list[Track] = []

    def update(
        self, frame: int, faces: Sequence[Face], times: Sequence[float] | None = None, unseen: int = 0
    ) -> list[int]:
        """Take the faces detected in `frame` (frames must come in order).

        Args:
            frame: its number.
            faces: in any order.
            times: seconds of the latest frames up to this one, strictly increasing, at least those of the last second
                among the latest ``max(max_gap, unseen) + 2``; None: all frames last equally long.
            unseen: frames right before this one that were not looked at; a gap of no others is filled, too.

        Returns:
            Indices into `tracks` of those that got a detection now; their `steps` say what is new.
        """
        pairs = sorted(
            (-overlap(track.face.box, face.box), t, f)
            for t, track in enumerate(self.tracks)
            for f, face in enumerate(faces)
        )
        owner: dict[int, int] = {}  # face -> track, the best overlaps first, each track once
        for negative, t, f in pairs:
            if -negative >= MIN_OVERLAP and f not in owner and t not in owner.values():
                owner[f] = t
        for f, face in enumerate(faces):
            if f in owner:
                self.tracks[owner[f]].extend(frame, face, max(self.max_gap, unseen), times)
            else:
                owner[f] = len(self.tracks)
                self.tracks.append(Track(frame, face.box, frame, face, face.size, [(frame, face)]))
        return sorted(owner.values())

    def main(self) -> int | None:
        """Index of the main track, None when there is no face at all."""
        if not self.tracks:
            return None
        order = [(-track.weight, track.first_frame, track.first_box[0], t) for t, track in enumerate(self.tracks)]
        return min(order)[-1]


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes (x, y, width, height)."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    union = a[2] * a[3] + b[2] * b[3] - shared
    return shared / union if union > 0 else 0.0


def _between(a: Face, b: Face, part: float) -> Face:
    box = tuple(float((1 - part) * p + part * q) for p, q in zip(a.box, b.box, strict=True))
    return Face(box, (1 - part) * a.landmarks + part * b.landmarks, None)
