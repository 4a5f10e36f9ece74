"""Aligning a face: five landmarks are moved onto a fixed template by a similarity transform.

In the manner of OpenFace's similarity alignment (Baltrusaitis et al., "OpenFace 2.0", FG 2018): rotation, one scale and
translation, no shear, 112 x 112 pixels, the face from brow to chin fills the picture.
"""

from __future__ import annotations

import cv2
import numpy as np

FACE_SIZE = 112  # pixels, width and height of an aligned face

# Where the landmarks land, pixels (x, y): left eye, right eye, nose, left mouth corner, right mouth corner, "left" as
# seen in the picture. Eyes 38% of the width apart at a third of the height, as in FER2013 and OpenFace's pictures.
TEMPLATE = np.array([[34.5, 38.0], [77.5, 38.0], [56.0, 62.5], [38.2, 87.6], [73.8, 87.6]])


def similarity_transform(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The ``(2, 3)`` matrix of rotation, scale and shift that brings `source` nearest to `target` (least squares).

    Closed form, so it is deterministic (Umeyama, PAMI 1991, in two dimensions and without mirroring).

    Args:
        source: ``(K, 2)`` points (x, y), K >= 2, not all the same.
        target: ``(K, 2)`` points.

    Raises:
        ValueError: all source points are the same.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    x, y = (source - source_mean).T
    u, v = (target - target_mean).T
    spread = (x * x + y * y).sum()
    if spread == 0:
        raise ValueError("the landmarks are all the same point")
    # Points as complex numbers: the best a + bi in (a + bi)(x + yi) = u + vi.
    a = (x * u + y * v).sum() / spread
    b = (x * v - y * u).sum() / spread
    turn = np.array([[a, -b], [b, a]])
    return np.column_stack([turn, target_mean - turn @ source_mean])


def align_face(frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The aligned face ``(112, 112, 3)`` uint8 of a frame ``(H, W, 3)`` uint8; black outside the frame.

    Args:
        frame: the picture.
        landmarks: ``(5, 2)`` pixels (x, y) in the order of `TEMPLATE`.
    """
    matrix = similarity_transform(landmarks, TEMPLATE)
    reduce = int(1 / np.hypot(matrix[0, 0], matrix[1, 0]) + 1e-6)
    if reduce >= 2:  # bilinear sampling alone would skip pixels of a large face: average them first
        height, width = frame.shape[:2]
        size = (max(width // reduce, 1), max(height // reduce, 1))
        shrink = np.array(size) / (width, height)
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        matrix = similarity_transform((landmarks + 0.5) * shrink - 0.5, TEMPLATE)  # a pixel's centre is at its integer
    return cv2.warpAffine(frame, matrix, (FACE_SIZE, FACE_SIZE), flags=cv2.INTER_LINEAR)
