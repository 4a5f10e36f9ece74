"""Dropout whose mask can be given from outside, so that many models can be trained as one stack.

Every dropout of a model that takes ``utt`` features must be this module. Alone it is `torch.nn.Dropout`. The population
trainer puts a ready mask (0 or 1 / (1 - p), of the input's shape) into the buffer `mask` through
`torch.func.functional_call`, because inside `torch.func.vmap` neither p nor the random stream could differ by member.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class Dropout(nn.Module):
    """Zero entries with probability `p` and scale the rest by 1 / (1 - p) while training."""

    mask: torch.Tensor | None

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = float(p)
        self.register_buffer("mask", None, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.mask is not None:
            return x * self.mask
        return F.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"
