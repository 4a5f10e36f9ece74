"""The layers of a speech encoder for a CPU, with weights laid out once as oneDNN wants them.

PyTorch's own linear layers and convolutions bring their weights into oneDNN's blocked form at every call, and a weight
norm is computed at every call; here both are done once, after loading. The same products are added up in another
order: float32 stays within rounding.

The operators are those that `torch.compile` puts in for a CPU. They are not PyTorch's public interface, so they are
tried on small layers first; where they are missing, or give something else, the model stays as it is.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn.utils import parametrize
from transformers.activations import GELUActivation

DTYPES = (torch.float32, torch.bfloat16)
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 0.02}  # of the largest value, for `works`
PLAIN = ("none", [], "")  # what is done with each result: operation, its numbers, its algorithm
GELU = ("gelu", [], "none")  # the exact one, by the error function
# Layer and activation of transformers' modules, and the children between which nothing else may lie (None: any).
FUSED = (("conv", "activation", {"conv", "activation"}), ("intermediate_dense", "intermediate_act_fn", None))


class PackedLinear(nn.Module):
    """Gives what `linear` gives; its weight is kept in packed form only."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.bias = linear.bias
        self.after = PLAIN
        self.packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(..., D_in)`` -> ``(..., D_out)``."""
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, *self.after)


class PackedConv1d(nn.Module):
    """Gives what `conv` gives; its weight is kept in packed form only. The channels of a frame lie side by side."""

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        self.bias = conv.bias
        self.after = PLAIN
        # over a picture of one row: oneDNN's operator knows channels side by side in two dimensions only
        self.geometry = ([0, conv.padding[0]], [1, conv.stride[0]], [1, conv.dilation[0]], conv.groups)
        weight = conv.weight.detach().unsqueeze(2).contiguous(memory_format=torch.channels_last)
        self.packed = torch.ops.mkldnn._reorder_convolution_weight(weight, *self.geometry, None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C_in, T)`` -> ``(B, C_out, T')``."""
        x = x.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        rows = torch.ops.mkldnn._convolution_pointwise(x, self.packed, self.bias, *self.geometry, *self.after)
        return rows.squeeze(2)


def pack(model: nn.Module, wave: torch.Tensor) -> None:
    """Replace the layers of `model` where that is faster; `wave` ``(1, n)`` is any input that it takes.

    Measured (1 core, AVX512-BF16, HuBERT-base): linear layers and grouped convolutions gain in both types, the other
    convolutions in bfloat16 only. Layers whose weights the model reads itself (WavLM's attention) are left alone.
    """
    if wave.dtype not in DTYPES or not works(wave.dtype):
        return
    called = _called_layers(model, wave)
    for name, layer in list(model.named_modules()):
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight")
        if name not in called:
            continue
        packed = _packed(layer, wave.dtype)
        if packed is not layer:
            parent, _, attribute = name.rpartition(".")
            setattr(model.get_submodule(parent), attribute, packed)
    for module in model.modules():
        _fuse_gelu(module)


def _fuse_gelu(module: nn.Module) -> None:
    """Let a packed layer apply the GELU that follows it."""
    children = dict(module.named_children())
    for layer, activation, known in FUSED:
        packed = isinstance(children.get(layer), PackedLinear | PackedConv1d)
        exact = isinstance(children.get(activation), GELUActivation | nn.GELU) and _is_exact(children[activation])
        if packed and exact and (known is None or children.keys() == known):
            children[layer].after = GELU
            setattr(module, activation, nn.Identity())


def _is_exact(activation: nn.Module) -> bool:
    x = torch.linspace(-3, 3, 61)
    return torch.equal(activation(x), nn.functional.gelu(x))


def works(dtype: torch.dtype) -> bool:
    """The operators are there and give what PyTorch's layers give."""
    x = _waves(1, 32, 24).to(dtype)
    try:
        with torch.inference_mode():
            with torch.device("meta"):
                layers = nn.Linear(24, 40), nn.Conv1d(32, 32, 5, 2, 2, bias=False), nn.Conv1d(32, 32, 4, groups=4)
            for layer in layers:
                layer.load_state_dict(
                    {key: _waves(*value.shape) for key, value in layer.state_dict().items()}, assign=True
                )
                expected = layer.to(dtype)(x)
                error = (_packed(layer, torch.bfloat16)(x) - expected).abs().max() / expected.abs().max()
                if not error < TOLERANCE[dtype]:
                    return False
    except (AttributeError, RuntimeError, TypeError):  # no such operator, not for this processor, other arguments
        return False
    return True


def _waves(*shape: int) -> torch.Tensor:
    """Values between -1 and 1 without period; random ones would move PyTorch's generator."""
    return torch.arange(math.prod(shape)).square().remainder(1009).sin().reshape(shape)


def _called_layers(model: nn.Module, wave: torch.Tensor) -> set[str]:
    """Names of the layers that `model` calls, rather than reading their weights."""
    called: set[str] = set()
    hooks = [
        layer.register_forward_pre_hook(lambda _, __, name=name: called.add(name))
        for name, layer in model.named_modules()
    ]
    try:
        with torch.inference_mode():
            model(wave)
    finally:
        for hook in hooks:
            hook.remove()
    return called


def _packed(layer: nn.Module, dtype: torch.dtype) -> nn.Module:
    if type(layer) is nn.Linear:
        return PackedLinear(layer)
    plain = type(layer) is nn.Conv1d and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    if plain and layer.in_channels > 1 and (layer.groups > 1 or dtype == torch.bfloat16):
        return PackedConv1d(layer)
    return layer
