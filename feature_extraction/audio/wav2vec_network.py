"""wav2vec 1.0 (large): waveform -> z (feature encoder) and c (context network), 512 values at 100 Hz each.

Schneider et al., "wav2vec: Unsupervised Pre-training for Speech Recognition", INTERSPEECH 2019. State-dict keys are
those of fairseq's ``wav2vec_large.pt``.

Every layer is normalised over all channels AND all time steps of a clip (group norm with one group), so a clip must be
computed whole and without padding: clips of equal length can share a batch, others cannot. Memory follows: about 14 MB
for each second of sound, for the first layer's input and output of 512 x 3200 float32.
"""

from __future__ import annotations

import math
from argparse import Namespace
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from feature_extraction.torch_checkpoint import load_weights, read_checkpoint
from toolkit.utils.errors import UserError

WIDTH = 512
ENCODER = ((10, 5), (8, 4), (4, 2), (4, 2), (4, 2), (1, 1), (1, 1))  # (kernel, stride); 160 samples a step
CONTEXT_KERNELS = tuple(range(2, 14))  # stride 1, looking back only
RESIDUAL_SCALE = math.sqrt(0.5)  # keeps the variance of the sum of two signals


class _Encoder(nn.Module):
    """z: log compression ``log(|x| + 1)`` after seven strided convolutions without bias."""

    def __init__(self) -> None:
        super().__init__()
        layers = []
        channels = 1
        for kernel, stride in ENCODER:
            convolution = nn.Conv1d(channels, WIDTH, kernel, stride, bias=False)
            # the place between them is fairseq's dropout, which does nothing here but counts in the keys
            layers.append(nn.Sequential(convolution, nn.Identity(), nn.GroupNorm(1, WIDTH), nn.ReLU(inplace=True)))
            channels = WIDTH
        self.conv_layers = nn.ModuleList(layers)

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        """``(B, n)`` -> ``(B, 512, T)``."""
        x = wave.unsqueeze(1)
        for layer in self.conv_layers:
            x = layer(x)
        return x.abs_().log1p_()


class _LookBack(nn.Module):
    """Pads in front by repeating the first step, so that a convolution of `kernel` keeps T and never looks ahead."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.steps = kernel - 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.pad(x, (self.steps, 0), mode="replicate")


class _Context(nn.Module):
    """c: twelve convolutions with growing kernels, each added to its input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList(
            nn.Sequential(
                _LookBack(kernel),
                nn.Conv1d(WIDTH, WIDTH, kernel),
                nn.Identity(),  # fairseq's dropout
                nn.GroupNorm(1, WIDTH),
                nn.ReLU(inplace=True),
            )
            for kernel in CONTEXT_KERNELS
        )

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """``(B, 512, T)`` -> ``(B, 512, T)``."""
        x = z
        for layer in self.conv_layers:
            x = (x + layer(x)) * RESIDUAL_SCALE
        return x


class Wav2VecLarge(nn.Module):
    """Both networks; the attributes have fairseq's names."""

    def __init__(self) -> None:
        super().__init__()
        self.feature_extractor = _Encoder()
        self.feature_aggregator = _Context()

    def forward(self, wave: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Waves ``(B, n)`` of one length n >= 465 -> z and c, ``(B, T, 512)`` each."""
        z = self.feature_extractor(wave)
        return z.transpose(1, 2), self.feature_aggregator(z).transpose(1, 2)


class _Meter:
    """Stands for the training meters in a checkpoint, whose classes belong to fairseq; never used."""


# What fairseq's own checkpoints may hold beside weights: plain data, admitted by name.
_FAIRSEQ_DATA = [
    Namespace,
    *(
        (_Meter, f"fairseq.{module}.{name}")
        for module in ("meters", "logging.meters")
        for name in ("AverageMeter", "TimeMeter", "StopwatchMeter")
    ),
]


def load_wav2vec(path: Path) -> Wav2VecLarge:
    """The network with the weights of ``wav2vec_large.pt``, in eval mode; the file cannot run code.

    Raises:
        UserError: the file is missing, unreadable, or another model's.
    """
    checkpoint = read_checkpoint(path, _FAIRSEQ_DATA)
    state = checkpoint.get("model", checkpoint)
    if not isinstance(state, dict):
        raise UserError(f"{path}: 'model' is a {type(state).__name__}, not a dict of weights")
    parts = ("feature_extractor.", "feature_aggregator.")
    weights = {key: value for key, value in state.items() if str(key).startswith(parts)}
    with torch.device("meta"):
        network = Wav2VecLarge()
    return load_weights(network, weights, path)
