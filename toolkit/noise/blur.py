"""Blur by a Gaussian pyramid: down and up again, log2(rate) times, on images and on the planes of a video frame.

The pyramid is linear, keeps constants and treats every channel alike, and YUV is a linear map of BGR. So blurring the
planes of YUV is blurring the BGR image, without the rounding of two colour conversions, at half the cost. Only the
half-size planes of 4:2:0 need a thought: their blur is that of the plane enlarged to full size (each value repeated),
reduced again (the mean of 2 x 2). Repeating and then pyrDown's (1 4 6 4 1)/16 is one filter (5 10 1)/16 on the small
plane; pyrUp and then the mean is (1 10 5)/16; what lies between is the pyramid of half the rate. At rate 2 nothing
lies between, and both filters are one, (5 60 126 60 5)/256.
"""

from __future__ import annotations

import cv2
import numpy as np

_REPEAT_AND_DOWN = np.outer((5, 10, 1), (5, 10, 1)) / 16**2
_UP_AND_MEAN = np.outer((1, 10, 5), (1, 10, 5)) / 16**2
_BOTH = np.array((5, 60, 126, 60, 5)) / 256  # symmetric: OpenCV has a fast way for such, row by row and then by column


def blur(image: np.ndarray, rate: int, out: np.ndarray | None = None) -> np.ndarray:
    """`image` ``(H, W)`` or ``(H, W, 3)`` uint8 blurred: log2(rate) times OpenCV's pyrDown, then as many times pyrUp.

    The pyramid of an odd size comes back one or more pixels larger (golden/functions.json, blur_odd_size_shapes);
    these are cut off, so the shape is kept. Rate 1 returns the image as it is.

    Args:
        out: of the image's shape; the result is written there when its size allows that.
    """
    if rate == 1:
        return image
    height, width = image.shape[:2]
    steps = rate.bit_length() - 1
    for _ in range(steps):
        image = cv2.pyrDown(image)
    for _ in range(steps - 1):
        image = cv2.pyrUp(image)
    return cv2.pyrUp(image, dst=out)[:height, :width]


def blur_half_size(plane: np.ndarray, rate: int, out: np.ndarray | None = None) -> np.ndarray:
    """The blur of a colour plane ``(H / 2, W / 2)`` of 4:2:0 that goes with an image ``(H, W)`` blurred by `rate`.

    Args:
        out: of the plane's shape; the result is written there (but for rate 1).
    """
    if rate == 1:
        return plane
    edge = cv2.BORDER_REPLICATE  # of the modes the one closest to enlarging first
    if rate == 2:
        return cv2.sepFilter2D(plane, -1, _BOTH, _BOTH, dst=out, borderType=edge)
    # as 3 x 3 kernels: by row and column OpenCV would compute these, which are not symmetric, in floating point
    plane = cv2.filter2D(plane, -1, _REPEAT_AND_DOWN, borderType=edge)
    return cv2.filter2D(blur(plane, rate // 2), -1, _UP_AND_MEAN, dst=out, borderType=edge)
