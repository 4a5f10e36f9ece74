"""Attention fusion, the MER2023/MER2024 baseline (Lian et al., "MER 2023", ACM MM 2023; "MER 2024", MRAC 2024).

Three encoders; an MLP over their concatenation and a linear layer give one weight per modality (no softmax); the fused
representation is the weighted sum of the encodings.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from toolkit.models import FusionOutput, ModelConfig
from toolkit.models.encoders import MLPEncoder
from toolkit.models.heads import fusion_output, output_heads
from toolkit.models.linear import Linear
from toolkit.models.trimodal import TrimodalModel


class Attention(TrimodalModel):
    """Hyper-parameters: ``hidden_dim``, ``dropout``. Feature types: ``utt``, ``frm_align``, ``frm_unalign``."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.attention_mlp = MLPEncoder(3 * self.hidden_dim, self.hidden_dim, self.dropout_p)
        self.fc_att = Linear(self.hidden_dim, 3)
        self.fc_out_1, self.fc_out_2 = output_heads(self.hidden_dim, config)

    def forward(self, batch: dict[str, torch.Tensor]) -> FusionOutput:
        fused, weights = attend(self.encode(batch), self.attention_mlp, self.fc_att)  # B, H; B, 3
        return fusion_output(self, fused, attention=weights)


def attend(
    encodings: Sequence[torch.Tensor], attention_mlp: nn.Module, fc_att: nn.Module
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weigh and add M encodings ``(B, H)``: the fused representation ``(B, H)`` and the weights ``(B, M)``."""
    weights = fc_att(attention_mlp(torch.cat(tuple(encodings), dim=1)))  # B, M
    fused = (torch.stack(tuple(encodings), dim=1) * weights.unsqueeze(-1)).sum(dim=1)  # B, M, H -> B, H
    return fused, weights
