"""Tensor Fusion Network (Zadeh et al., EMNLP 2017): every product of one, two and three modalities' features.

A one is put before each encoding; the outer product of the three, flattened, goes through two layers. The first has
``(H + 1)^3 * H`` weights: 1.1 GB in float32 for H = 128.
"""

from __future__ import annotations

import torch

from toolkit.models import FusionOutput, ModelConfig
from toolkit.models.dropout import Dropout
from toolkit.models.heads import fusion_output, output_heads
from toolkit.models.linear import Linear
from toolkit.models.trimodal import TrimodalModel


class TFN(TrimodalModel):
    """Hyper-parameters: ``hidden_dim``, ``dropout``. Feature types: ``utt``, ``frm_align``, ``frm_unalign``."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.post_fusion_dropout = Dropout(self.dropout_p)
        self.post_fusion_layer_1 = Linear((self.hidden_dim + 1) ** 3, self.hidden_dim)
        self.post_fusion_layer_2 = Linear(self.hidden_dim, self.hidden_dim)
        self.fc_out_1, self.fc_out_2 = output_heads(self.hidden_dim, config)

    def forward(self, batch: dict[str, torch.Tensor]) -> FusionOutput:
        audio, text, video = (prepend_one(x) for x in self.encode(batch))  # each B, H+1
        product = (audio.unsqueeze(2) * video.unsqueeze(1)).flatten(1)  # B, (H+1)^2
        product = (product.unsqueeze(2) * text.unsqueeze(1)).flatten(1)  # B, (H+1)^3
        fused = torch.relu(self.post_fusion_layer_1(self.post_fusion_dropout(product)))  # B, H
        return fusion_output(self, torch.relu(self.post_fusion_layer_2(fused)))


def prepend_one(x: torch.Tensor) -> torch.Tensor:
    """``(B, H)`` -> ``(B, H + 1)``, the first column all ones."""
    return torch.cat([torch.ones_like(x[:, :1]), x], dim=1)
