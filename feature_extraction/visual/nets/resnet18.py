"""ResNet-18 without its classifier, under torchvision's key names: the msceleb and imagenet features.

Paper: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016 (arXiv 1512.03385).
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

WIDTH = 512
UNUSED_KEYS = ("fc.",)  # the classifier


def conv3x3(channels_in: int, channels_out: int, stride: int = 1) -> nn.Conv2d:
    """3 x 3 convolution without bias; keeps the size, or divides it by the stride."""
    return nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside the identity (or a strided 1 x 1 convolution where the shape changes)."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels_in, channels, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = shortcut(channels_in, channels, stride)

    def residual(self, x: Tensor) -> Tensor:
        """The branch that is added to the shortcut, ``(N, channels, H/stride, W/stride)``."""
        return self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.residual(x) + (x if self.downsample is None else self.downsample(x)))


def shortcut(channels_in: int, channels: int, stride: int) -> nn.Sequential | None:
    """The 1 x 1 convolution beside a block whose output has another shape than its input; else None."""
    if stride == 1 and channels_in == channels:
        return None
    return nn.Sequential(nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))


def two_blocks(
    channels_in: int, channels: int, stride: int, block: Callable[..., nn.Module] = BasicBlock
) -> nn.Sequential:
    """A stage: two blocks, the first of which changes channels and size."""
    return nn.Sequential(block(channels_in, channels, stride), block(channels, channels))


class ResNetStem(nn.Module):
    """``(N, 3, H, W)`` -> ``(N, 64, H/4, W/4)`` by `stem`; the layers are named as torchvision names them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)

    def stem(self, pictures: Tensor) -> Tensor:
        """Convolution and max pooling."""
        return F.max_pool2d(F.relu(self.bn1(self.conv1(pictures))), kernel_size=3, stride=2, padding=1)


class ResNet18(ResNetStem):
    """``(N, 3, 224, 224)`` -> globally pooled ``(N, 512)``."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = two_blocks(64, 64, 1)
        self.layer2 = two_blocks(64, 128, 2)
        self.layer3 = two_blocks(128, 256, 2)
        self.layer4 = two_blocks(256, WIDTH, 2)

    def forward(self, pictures: Tensor) -> Tensor:
        x = self.layer2(self.layer1(self.stem(pictures)))  # (N, 128, 28, 28)
        return self.layer4(self.layer3(x)).mean(dim=(2, 3))
