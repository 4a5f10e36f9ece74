"""The frames of a clip that a model sees, prepared: single pictures, or windows of pictures for video models."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_extraction.contract import Sample
from feature_extraction.visual.face_reader import naming_file, read_faces
from feature_extraction.visual.frame_sampling import two_clip_indices, uniform_indices
from feature_extraction.visual.prepared_faces import PREPARED_BYTES

if TYPE_CHECKING:
    import torch


class PictureView(abc.ABC):
    """How a model sees faces, in two halves: sizes on the CPU (any process), then numbers on the model's device.

    Picklable. `shape` is that of one picture, ``(3, H, W)``; `nbytes` what one takes between the halves.
    """

    shape: tuple[int, int, int]
    nbytes: int

    @abc.abstractmethod
    def pictures(self, faces: np.ndarray) -> np.ndarray:
        """BGR faces ``(N, H, W, 3)`` uint8, N >= 1 -> RGB pictures ``(N, *shape)``, uint8 where possible."""

    @abc.abstractmethod
    def tensor(self, pictures: np.ndarray, device: torch.device) -> torch.Tensor:
        """Pictures ``(..., *shape)`` -> float32 on the device, normalised."""


def scaled(
    pictures: np.ndarray,
    device: torch.device,
    scale: float = 1.0,
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    std: Sequence[float] = (1.0, 1.0, 1.0),
) -> torch.Tensor:
    """Pictures ``(..., 3, H, W)`` -> float32 on the device: (value * scale - mean) / std, per channel."""
    import torch

    x = torch.from_numpy(np.ascontiguousarray(pictures)).to(device).float() * scale
    return (x - torch.tensor(mean, device=device).view(3, 1, 1)) / torch.tensor(std, device=device).view(3, 1, 1)


@dataclass(frozen=True)
class Sampling:
    """Which frames a model sees.

    Attributes:
        wanted: so many, spread evenly; None: every frame.
        windows: 0: each frame by itself; 1: the `wanted` frames as one window; 2: every 4th frame, the first and the
            last `wanted` of them.
    """

    wanted: int | None = None
    windows: int = 0

    @property
    def window(self) -> int:
        """Frames that the model sees together."""
        return self.wanted if self.windows and self.wanted else 1

    @property
    def most(self) -> int | None:
        """Most frames used of a clip, None without limit."""
        return self.wanted * max(1, self.windows) if self.wanted else None

    def positions(self, frames: int) -> np.ndarray:
        """Positions in a clip: ``(n,)``, or ``(n, wanted)`` for windows; n = 0 without frames."""
        if not frames:
            return np.zeros((0, self.wanted) if self.windows else 0, np.int64)
        if self.wanted is None:
            return np.arange(frames)
        if self.windows == 2:
            return two_clip_indices(frames, self.wanted)
        uniform = uniform_indices(frames, self.wanted)
        return uniform[None] if self.windows else uniform


@dataclass(frozen=True)
class FrameClip:
    """What a model sees of one clip; everything in it only once, `order` says where it is repeated.

    Attributes:
        seen: positions ``(n,)`` or ``(n, window)``, all different.
        order: ``(m,)``: result i is that of ``seen[order[i]]``.
        prepared: pictures ``(n, [window,] *view.shape)``; None: a long clip, prepared piece by piece.
    """

    sample: Sample
    view: PictureView
    seen: np.ndarray
    order: np.ndarray
    prepared: np.ndarray | None = None

    @property
    def count(self) -> int:
        """How many pictures or windows go through the model."""
        return len(self.seen)

    def pictures(self, start: int, stop: int) -> np.ndarray:
        """Pictures or windows `start` to `stop`."""
        if self.prepared is not None:
            return self.prepared[start:stop]
        return show(read_faces(self.sample), self.seen[start:stop], self.view)


@dataclass(frozen=True)
class FrameLoad:
    """Picklable: a sample -> its `FrameClip`."""

    view: PictureView
    sampling: Sampling

    def __call__(self, sample: Sample) -> FrameClip:
        faces = read_faces(sample)
        seen, order = np.unique(self.sampling.positions(len(faces)), axis=0, return_inverse=True)
        order = order.reshape(-1)
        if not len(seen):
            return FrameClip(sample, self.view, seen, order, np.zeros((0, *self.view.shape), np.uint8))
        with naming_file(sample):
            if seen.size * self.view.nbytes > PREPARED_BYTES:
                self.view.pictures(faces[:1])  # a picture that cannot be used fails here, not amid its batch
                return FrameClip(sample, self.view, seen, order)
            return FrameClip(sample, self.view, seen, order, show(faces, seen, self.view))


def show(faces: np.ndarray, positions: np.ndarray, view: PictureView) -> np.ndarray:
    """Pictures of ``faces[positions]``, ``(*positions.shape, *view.shape)``; each is prepared once."""
    frames, where = np.unique(positions, return_inverse=True)
    return view.pictures(faces[frames])[where.reshape(positions.shape)]
