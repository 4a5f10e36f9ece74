"""MA-Net: global multi-scale and local attention features of a face, trained on RAF-DB.

Paper: Zhao, Liu, Wang, "Learning Deep Global Multi-Scale and Local Attention Features for Facial Expression
Recognition in the Wild", IEEE TIP 2021; the attention is CBAM (Woo et al., ECCV 2018). After two shared ResNet-18
stages one branch sees the four quarters of the picture apart, with attention, the other the whole at four scales.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from feature_extraction.visual.nets.resnet18 import BasicBlock, ResNetStem, conv3x3, shortcut, two_blocks

WIDTH = 1024
UNUSED_KEYS = ("fc_1.", "fc_2.")  # the two classifiers
QUARTERS = (1, 2, 3, 4)  # top left, top right, bottom left, bottom right
REDUCTION = 16  # of channels in the channel attention
SCALES = 4


class ChannelGate(nn.Module):
    """Weights each channel by its mean and its maximum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // REDUCTION
        self.mlp = nn.Sequential(nn.Flatten(), nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.sigmoid(self.mlp(x.mean(dim=(2, 3))) + self.mlp(x.amax(dim=(2, 3))))  # (N, C)
        return x * weight[:, :, None, None]


class SpatialGate(nn.Module):
    """Weights each place by the maximum and the mean over channels around it."""

    def __init__(self) -> None:
        super().__init__()
        self.spatial = nn.Module()
        self.spatial.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.spatial.bn = nn.BatchNorm2d(1)

    def forward(self, x: Tensor) -> Tensor:
        summary = torch.stack([x.amax(dim=1), x.mean(dim=1)], dim=1)  # (N, 2, H, W)
        return x * torch.sigmoid(self.spatial.bn(self.spatial.conv(summary)))


class AttentionBlock(BasicBlock):
    """A ResNet block whose residual passes channel and spatial attention."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__(channels_in, channels, stride)
        self.cbam = nn.Sequential()
        self.cbam.add_module("ChannelGate", ChannelGate(channels))
        self.cbam.add_module("SpatialGate", SpatialGate())

    def residual(self, x: Tensor) -> Tensor:
        return self.cbam(super().residual(x))


class MultiScaleBlock(nn.Module):
    """One 3 x 3 convolution, then two chains over its four groups of channels, each group seeing the one before it."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels_in, channels, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.scale_width = channels // SCALES
        for chain in (1, 2):
            for scale in range(1, SCALES + 1):
                self.add_module(f"conv{chain}_2_{scale}", conv3x3(self.scale_width, self.scale_width))
                self.add_module(f"bn{chain}_2_{scale}", nn.BatchNorm2d(self.scale_width))
        self.downsample = shortcut(channels_in, channels, stride)

    def chain(self, number: int, groups: list[Tensor]) -> Tensor:
        """Results of one chain, ``(N, channels, H, W)``."""
        results: list[Tensor] = []
        for scale, group in enumerate(groups, start=1):
            x = group + F.relu(results[-1]) if results else group
            convolution, norm = (self.get_submodule(f"{kind}{number}_2_{scale}") for kind in ("conv", "bn"))
            results.append(norm(convolution(x)))
        return torch.cat(results, dim=1)

    def forward(self, x: Tensor) -> Tensor:
        groups = list(F.relu(self.bn1(self.conv1(x))).split(self.scale_width, dim=1))
        both = self.chain(1, groups) + self.chain(2, groups)
        return F.relu(both + (x if self.downsample is None else self.downsample(x)))


class MANet(ResNetStem):
    """``(N, 3, 224, 224)``, 0..1 -> ``(N, 1024)``: local branch, then global branch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = two_blocks(64, 64, 1)
        self.layer2 = two_blocks(64, 128, 2)
        for quarter in QUARTERS:
            self.add_module(f"layer3_1_p{quarter}", two_blocks(128, 256, 2, AttentionBlock))
            self.add_module(f"layer4_1_p{quarter}", two_blocks(256, 512, 1, AttentionBlock))
        self.layer3_2 = two_blocks(128, 256, 2, MultiScaleBlock)
        self.layer4_2 = two_blocks(256, 512, 2, MultiScaleBlock)

    def forward(self, pictures: Tensor) -> Tensor:
        x = self.layer2(self.layer1(self.stem(pictures)))  # (N, 128, 28, 28)
        patches = [patch for row in x.chunk(2, dim=2) for patch in row.chunk(2, dim=3)]  # 4 x (N, 128, 14, 14)
        local = [
            self.get_submodule(f"layer4_1_p{quarter}")(self.get_submodule(f"layer3_1_p{quarter}")(patch))
            for quarter, patch in zip(QUARTERS, patches, strict=True)
        ]
        means = [part.mean(dim=(2, 3)) for part in local]  # the quarters are equal: the mean of means is the mean
        whole = self.layer4_2(self.layer3_2(x)).mean(dim=(2, 3))
        return torch.cat([torch.stack(means).mean(dim=0), whole], dim=1)
