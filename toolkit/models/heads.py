"""The two output heads of every fusion model: emotion logits and valence from the fused representation."""

from __future__ import annotations

import torch
from torch import nn

from toolkit.models import FusionOutput, ModelConfig
from toolkit.models.linear import Linear


def output_heads(in_size: int, config: ModelConfig) -> tuple[Linear | None, Linear | None]:
    """Linear layers ``(B, in_size)`` -> emotion logits and valence; None for a head without outputs."""
    emotion = Linear(in_size, config.output_dim1) if config.output_dim1 else None
    valence = Linear(in_size, config.output_dim2) if config.output_dim2 else None
    return emotion, valence


def apply_head(layer: Linear | None, features: torch.Tensor) -> torch.Tensor:
    """Outputs of one head, ``(B, outputs)``; ``(B, 0)`` when there is no such head."""
    return features.new_zeros(features.shape[0], 0) if layer is None else layer(features)


def fusion_output(
    model: nn.Module,
    features: torch.Tensor,
    interloss: torch.Tensor | None = None,
    attention: torch.Tensor | None = None,
) -> FusionOutput:
    """Apply the heads ``fc_out_1`` and ``fc_out_2`` of `model` to `features` ``(B, H)``; no own loss means zero."""
    emos, vals = apply_head(model.fc_out_1, features), apply_head(model.fc_out_2, features)
    return FusionOutput(features, emos, vals, features.new_zeros(()) if interloss is None else interloss, attention)
