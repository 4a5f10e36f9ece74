"""Which frames of a clip a model sees: positions in ``range(frames)``; the last is repeated where the clip is short."""

from __future__ import annotations

import numpy as np

STRIDE = 4  # of the two-clip sampling: every 4th frame


def uniform_indices(frames: int, wanted: int) -> np.ndarray:
    """`wanted` positions spread evenly over `frames` frames, ``(wanted,)`` int64.

    With `frames` <= `wanted` all of them, the last one repeated.

    Raises:
        ValueError: no frames.
    """
    _require_frames(frames)
    if frames <= wanted:
        return np.minimum(np.arange(wanted), frames - 1)
    # in whole numbers: position k is k * frames / wanted, rounded down
    return np.arange(wanted) * frames // wanted


def strided_indices(frames: int, at_least: int, stride: int = STRIDE) -> np.ndarray:
    """Every `stride`-th position from 0, the last of them repeated until there are `at_least`."""
    _require_frames(frames)
    found = np.arange(0, frames, stride)
    return np.pad(found, (0, max(0, at_least - len(found))), mode="edge")


def two_clip_indices(frames: int, length: int = 16, stride: int = STRIDE) -> np.ndarray:
    """The first and the last `length` of `strided_indices`: ``(2, length)``; the same ones in a short clip."""
    found = strided_indices(frames, length, stride)
    return np.stack([found[:length], found[-length:]])


def window_indices(frames: int, length: int = 16) -> np.ndarray:
    """For every frame t the `length` frames t - length/2 ... t + length/2 - 1: ``(frames, length)``.

    Positions before the first and after the last frame are those frames.
    """
    around = np.arange(frames)[:, None] + np.arange(length) - length // 2
    return around.clip(0, max(0, frames - 1))


def _require_frames(frames: int) -> None:
    if frames < 1:
        raise ValueError(f"{frames} frames: nothing to sample from")
