"""ResNet-50 and SENet-50 trained on VGGFace2 and FER2013+, under the key names of the released ``*_ferplus_dag.pth``.

Papers: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; Hu, Shen, Sun, "Squeeze-and-Excitation
Networks", CVPR 2018; training: Albanie et al., "Emotion Recognition in Speech using Cross-Modal Transfer in the Wild",
ACM MM 2018. The networks were Caffe's: strides sit in the first 1 x 1 convolution of a block, and the first pooling
rounds its size up. They are kept as a list of named steps, so that the value of any step can be asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

CLASSES = 8
BLOCKS = {2: 3, 3: 4, 4: 6, 5: 3}  # stage -> blocks
SQUEEZE = 16  # reduction of channels in the squeeze-and-excitation


class Add(nn.Module):
    """Two branches, summed."""

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return left + right


class Scale(nn.Module):
    """Maps ``(N, C, H, W)`` times channel weights ``(N, C, 1, 1)``."""

    def forward(self, maps: Tensor, weights: Tensor) -> Tensor:
        return maps * weights


@dataclass(frozen=True)
class Step:
    """A named layer, the steps whose values it takes, and the channels of its own."""

    name: str
    layer: nn.Module
    inputs: tuple[str, ...]
    channels: int


def _conv_bn(name: str, source: str, c_in: int, c_out: int, kernel: int = 1, stride: int = 1) -> Iterator[Step]:
    layer = nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False)
    yield Step(name, layer, (source,), c_out)
    yield Step(f"{name}_bn", nn.BatchNorm2d(c_out), (name,), c_out)


def _squeeze_excite(block: str, source: str, c: int) -> Iterator[Step]:
    hidden = c // SQUEEZE
    yield Step(f"{block}_global_pool", nn.AdaptiveAvgPool2d(1), (source,), c)
    yield Step(f"{block}_1x1_down", nn.Conv2d(c, hidden, 1), (f"{block}_global_pool",), hidden)
    yield Step(f"{block}_1x1_down_relu", nn.ReLU(), (f"{block}_1x1_down",), hidden)
    yield Step(f"{block}_1x1_up", nn.Conv2d(hidden, c, 1), (f"{block}_1x1_down_relu",), c)
    yield Step(f"{block}_prob", nn.Sigmoid(), (f"{block}_1x1_up",), c)
    yield Step(f"{block}_scale", Scale(), (source, f"{block}_prob"), c)


def _block(stage: int, number: int, source: str, c_in: int, senet: bool) -> Iterator[Step]:
    """A bottleneck: 1 x 1 reduce, 3 x 3, 1 x 1 increase, beside the identity or (first of a stage) a projection."""
    name, width = f"conv{stage}_{number}", 32 << (stage - 1)  # 64, 128, 256, 512
    stride = 2 if number == 1 and stage > 2 else 1
    yield from _conv_bn(f"{name}_1x1_reduce", source, c_in, width, 1, stride)
    yield Step(f"{name}_1x1_reduce_relu", nn.ReLU(), (f"{name}_1x1_reduce_bn",), width)
    yield from _conv_bn(f"{name}_3x3", f"{name}_1x1_reduce_relu", width, width, 3)
    yield Step(f"{name}_3x3_relu", nn.ReLU(), (f"{name}_3x3_bn",), width)
    yield from _conv_bn(f"{name}_1x1_increase", f"{name}_3x3_relu", width, 4 * width)
    residual = f"{name}_1x1_increase_bn"
    if senet:
        yield from _squeeze_excite(name, residual, 4 * width)
        residual = f"{name}_scale"
    if number == 1:
        yield from _conv_bn(f"{name}_1x1_proj", source, c_in, 4 * width, 1, stride)
        source = f"{name}_1x1_proj_bn"
    yield Step(name, Add(), (source, residual), 4 * width)
    yield Step(f"{name}_relu", nn.ReLU(), (name,), 4 * width)


def _steps(senet: bool) -> Iterator[Step]:
    yield from _conv_bn("conv1_7x7_s2", "data", 3, 64, 7, 2)
    yield Step("conv1_relu_7x7_s2", nn.ReLU(), ("conv1_7x7_s2_bn",), 64)
    yield Step("pool1_3x3_s2", nn.MaxPool2d(3, 2, ceil_mode=True), ("conv1_relu_7x7_s2",), 64)
    source, channels = "pool1_3x3_s2", 64
    for stage, blocks in BLOCKS.items():
        for number in range(1, blocks + 1):
            yield from _block(stage, number, source, channels, senet)
            source, channels = f"conv{stage}_{number}_relu", 128 << (stage - 1)
    yield Step("pool5_7x7_s1", nn.AvgPool2d(7, 1), (source,), channels)
    yield Step("classifier", nn.Conv2d(channels, CLASSES, 1), ("pool5_7x7_s1",), CLASSES)


def layer_widths(model_name: str) -> dict[str, int]:
    """Every layer of a model by name, in the order of computation, with its channels."""
    with torch.device("meta"):
        return {step.name: step.channels for step in _steps(model_name.startswith("senet"))}


class FerPlusNet(nn.Module):
    """``(N, 3, 224, 224)``, RGB of 0..255 minus their mean -> the value of a layer, ``(N, C, H, W)``."""

    def __init__(self, model_name: str) -> None:
        super().__init__()
        steps = list(_steps(model_name.startswith("senet")))
        self.inputs = {step.name: step.inputs for step in steps}
        last_use = {source: name for name, sources in self.inputs.items() for source in sources}
        self.drop = {name: [source for source, user in last_use.items() if user == name] for name in self.inputs}
        for step in steps:
            self.add_module(step.name, step.layer)

    def forward(self, pictures: Tensor, layer_name: str = "classifier") -> Tensor:
        values = {"data": pictures}
        for name, sources in self.inputs.items():
            values[name] = self.get_submodule(name)(*(values[source] for source in sources))
            if name == layer_name:
                break
            for source in self.drop[name]:  # memory: a value goes when nobody needs it any more
                del values[source]
        return values[layer_name]


class FerPlusEmbedding(nn.Module):
    """``(N, 3, 224, 224)`` -> ``(N, C)``: the layer's value averaged over its places, then ReLU."""

    def __init__(self, net: FerPlusNet, layer_name: str) -> None:
        super().__init__()
        self.net = net
        self.layer_name = layer_name

    def forward(self, pictures: Tensor) -> Tensor:
        return torch.relu(self.net(pictures, self.layer_name).mean(dim=(2, 3)))
