"""What a network sees of one face: sizes and colours, equal to torchvision's transforms on PIL pictures.

torchvision's own path for PIL pictures is PIL's resize (bilinear, anti-aliased when it shrinks), so it is ours too.
Pictures are numpy arrays ``(H, W, 3)`` uint8; they stay uint8 until they are on the device, a quarter of the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_extraction.contract import SampleError

if TYPE_CHECKING:
    import torch

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # red, green, blue, of 1
IMAGENET_STD = (0.229, 0.224, 0.225)
LONGEST_SIDE = 32  # times the shortest: beyond it a picture is no face, and its resized copy would be huge


def resize(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """`picture` in another size: bilinear with anti-aliasing, as PIL does it."""
    from PIL import Image

    if picture.shape[:2] == (height, width):
        return picture
    resized = Image.fromarray(np.ascontiguousarray(picture)).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def short_side_shape(height: int, width: int, size: int) -> tuple[int, int]:
    """(height, width) after the shorter side becomes `size`; the longer one is rounded down."""
    if min(height, width) * LONGEST_SIDE < max(height, width):
        raise SampleError(f"a picture of {height} x {width} pixels is no face; run the face step again")
    return (size, int(size * width / height)) if height <= width else (int(size * height / width), size)


def centre_crop(picture: np.ndarray, size: int) -> np.ndarray:
    """The middle ``(size, size, 3)`` of a picture that is at least as large; halves are rounded to even numbers."""
    top, left = (round((length - size) / 2) for length in picture.shape[:2])
    return picture[top : top + size, left : left + size]


@dataclass(frozen=True)
class FaceView:
    """How a network sees a face.

    Attributes:
        size: width and height of what it sees.
        short_side: resize the shorter side to this and cut out the middle; None: resize to a square.
        mean, std: per channel in red, green, blue, subtracted from and dividing values of 0..1.
        white: value of a white pixel before `mean` and `std`: 1, or 255.
    """

    size: int
    short_side: int | None = None
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    white: float = 1.0

    def picture(self, face: np.ndarray) -> np.ndarray:
        """A BGR face ``(H, W, 3)`` uint8 -> RGB ``(size, size, 3)`` uint8."""
        rgb = face[..., ::-1]
        if self.short_side is None:
            return resize(rgb, self.size, self.size)
        return centre_crop(resize(rgb, *short_side_shape(*face.shape[:2], self.short_side)), self.size)

    def tensor(self, pictures: np.ndarray, device: torch.device) -> torch.Tensor:
        """Pictures ``(N, H, W, 3)`` uint8 -> ``(N, 3, H, W)`` float32 on the device, normalised."""
        return normalised(pictures, device, self.mean, self.std, self.white)


def normalised(
    pictures: np.ndarray,
    device: torch.device,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    white: float = 1.0,
) -> torch.Tensor:
    """uint8 ``(..., H, W, 3)`` -> float32 ``(..., 3, H, W)`` on the device: (pixel * white / 255 - mean) / std."""
    import torch

    x = torch.from_numpy(np.ascontiguousarray(pictures)).to(device).movedim(-1, -3).float()
    x = x if white == 255 else x / 255 * white
    shape = (3, 1, 1)
    return (x - torch.tensor(mean, device=device).view(shape)) / torch.tensor(std, device=device).view(shape)
