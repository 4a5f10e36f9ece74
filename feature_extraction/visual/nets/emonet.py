"""EmoNet: emotion from a face, on top of a face alignment network whose landmark heat maps serve as attention.

Paper: Toisoul, Kossaifi, Bulat, Tzimiropoulos, Pantic, "Estimation of continuous valence and arousal levels from faces
in naturalistic conditions", Nature Machine Intelligence 2021. The alignment network: Bulat, Tzimiropoulos, ICCV 2017.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH = 256
UNUSED_KEYS = ("emo_fc_2.",)  # the layers behind the embedding: expression classes, valence, arousal
HOURGLASSES = 2
DEPTH = 4  # of an hourglass: times it halves the picture
LANDMARKS = 68
EMOTION_BLOCKS = 4


class ConvBlock(nn.Module):
    """Three chained convolutions with channels/2, /4, /4 outputs side by side, beside the identity; size kept."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        widths = (channels_in, channels // 2, channels // 4, channels // 4)
        for number in (1, 2, 3):
            self.add_module(f"bn{number}", nn.BatchNorm2d(widths[number - 1]))
            convolution = nn.Conv2d(widths[number - 1], widths[number], 3, padding=1, bias=False)
            self.add_module(f"conv{number}", convolution)
        self.downsample = None
        if channels_in != channels:
            projection = nn.Conv2d(channels_in, channels, 1, bias=False)
            self.downsample = nn.Sequential(nn.BatchNorm2d(channels_in), nn.ReLU(), projection)

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv1(F.relu(self.bn1(x)))
        second = self.conv2(F.relu(self.bn2(first)))
        third = self.conv3(F.relu(self.bn3(second)))
        return torch.cat([first, second, third], dim=1) + (x if self.downsample is None else self.downsample(x))


class Hourglass(nn.Module):
    """``(N, 256, H, W)`` -> the same shape: halved `DEPTH` times and brought back, with a side way at each level."""

    def __init__(self) -> None:
        super().__init__()
        for level in range(DEPTH, 0, -1):
            for part in ("b1", "b2", "b3"):
                self.add_module(f"{part}_{level}", ConvBlock(WIDTH, WIDTH))
        self.b2_plus_1 = ConvBlock(WIDTH, WIDTH)

    def level(self, level: int, x: Tensor) -> Tensor:
        """The hourglass below `level`; level 0 is its middle."""
        if level == 0:
            return self.b2_plus_1(x)
        side = self.get_submodule(f"b1_{level}")(x)
        down = self.get_submodule(f"b2_{level}")(F.max_pool2d(x, 2))
        low = self.get_submodule(f"b3_{level}")(self.level(level - 1, down))
        return side + F.interpolate(low, scale_factor=2, mode="nearest")

    def forward(self, x: Tensor) -> Tensor:
        return self.level(DEPTH, x)


class EmoNet(nn.Module):
    """``(N, 3, 256, 256)``, 0..1 -> the embedding before the last fully connected block, ``(N, 256)``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = ConvBlock(64, 128)
        self.conv3 = ConvBlock(128, 128)
        self.conv4 = ConvBlock(128, WIDTH)
        for stack in range(HOURGLASSES):
            self.add_module(f"m{stack}", Hourglass())
            self.add_module(f"top_m_{stack}", ConvBlock(WIDTH, WIDTH))
            self.add_module(f"conv_last{stack}", nn.Conv2d(WIDTH, WIDTH, 1))
            self.add_module(f"bn_end{stack}", nn.BatchNorm2d(WIDTH))
            self.add_module(f"l{stack}", nn.Conv2d(WIDTH, LANDMARKS, 1))
        self.bl0 = nn.Conv2d(WIDTH, WIDTH, 1)
        self.al0 = nn.Conv2d(LANDMARKS, WIDTH, 1)
        self.conv1x1_input_emo_2 = nn.Conv2d(WIDTH * (HOURGLASSES + 1), WIDTH, 1)
        pairs = [(ConvBlock(WIDTH, WIDTH), nn.MaxPool2d(2)) for _ in range(EMOTION_BLOCKS)]
        self.emo_net_2 = nn.Sequential(*(layer for pair in pairs for layer in pair))

    def stack(self, number: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """One hourglass: features ``(N, 256, H, W)`` and landmark heat maps ``(N, 68, H, W)``."""
        hourglass, top, last, norm, maps = (
            self.get_submodule(f"{name}{number}") for name in ("m", "top_m_", "conv_last", "bn_end", "l")
        )
        features = F.relu(norm(last(top(hourglass(x)))))
        return features, maps(features)

    def forward(self, faces: Tensor) -> Tensor:
        x = F.max_pool2d(self.conv2(F.relu(self.bn1(self.conv1(faces)))), 2)  # (N, 128, 64, 64)
        x = self.conv4(self.conv3(x))  # (N, 256, 64, 64)
        first, heat_maps = self.stack(0, x)
        first = self.bl0(first)
        second, heat_maps = self.stack(1, x + first + self.al0(heat_maps))
        attention = heat_maps.sum(dim=1, keepdim=True)  # (N, 1, 64, 64)
        x = torch.cat([x, first * attention, second * attention], dim=1)
        return self.emo_net_2(self.conv1x1_input_emo_2(x)).mean(dim=(2, 3))  # mean over 4 x 4
