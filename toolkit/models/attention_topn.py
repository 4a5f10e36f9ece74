"""Attention fusion over any number of inputs, for example the best n features of each modality.

The MER2024 baseline's multi-feature model (Lian et al., "MER 2024", MRAC 2024): `toolkit.models.attention` with one MLP
encoder for each of the inputs ``feat0, feat1, ...``.
"""

from __future__ import annotations

import torch
from torch import nn

from toolkit.models import FusionOutput, ModelConfig
from toolkit.models.attention import attend
from toolkit.models.encoders import MLPEncoder
from toolkit.models.heads import fusion_output, output_heads
from toolkit.models.linear import Linear


class AttentionTopN(nn.Module):
    """Hyper-parameters: ``hidden_dim``, ``dropout``. Feature type: ``utt``; ``len(config.feat_dims)`` inputs."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        hidden, dropout = int(config.hyper["hidden_dim"]), float(config.hyper["dropout"])
        self.inputs = len(config.feat_dims)
        for index, width in enumerate(config.feat_dims):
            self.add_module(f"encoder{index}", MLPEncoder(width, hidden, dropout))
        self.attention_mlp = MLPEncoder(self.inputs * hidden, hidden, dropout)
        self.fc_att = Linear(hidden, self.inputs)
        self.fc_out_1, self.fc_out_2 = output_heads(hidden, config)

    def forward(self, batch: dict[str, torch.Tensor]) -> FusionOutput:
        encodings = [self.get_submodule(f"encoder{i}")(batch[f"feat{i}"]) for i in range(self.inputs)]  # each B, H
        fused, weights = attend(encodings, self.attention_mlp, self.fc_att)  # B, H; B, inputs
        return fusion_output(self, fused, attention=weights)
