"""Attention fusion, the MER2023/MER2024 baseline (Lian et al., "MER 2023", ACM MM 2023; "MER 2024", MRAC 2024).

Three encoders; an MLP over their concatenation and a linear layer give one weight per modality (no softmax); the fused
representation is the weighted sum of the encodings.
"""

from __future__ import annotations

import torch
from torch import nn

from toolkit.models import FusionOutput, ModelConfig
from toolkit.models.encoders import MLPEncoder, build_encoder


class Attention(nn.Module):
    """Hyper-parameters: ``hidden_dim``, ``dropout``. Feature types: ``utt``, ``frm_align``, ``frm_unalign``."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        hidden, dropout = int(config.hyper["hidden_dim"]), float(config.hyper["dropout"])
        audio_dim, text_dim, video_dim = config.feat_dims
        self.audio_encoder = build_encoder(config.feat_type, audio_dim, hidden, dropout)
        self.text_encoder = build_encoder(config.feat_type, text_dim, hidden, dropout)
        self.video_encoder = build_encoder(config.feat_type, video_dim, hidden, dropout)
        self.attention_mlp = MLPEncoder(3 * hidden, hidden, dropout)
        self.fc_att = nn.Linear(hidden, 3)
        self.fc_out_1 = nn.Linear(hidden, config.output_dim1) if config.output_dim1 else None
        self.fc_out_2 = nn.Linear(hidden, config.output_dim2) if config.output_dim2 else None

    def forward(self, batch: dict[str, torch.Tensor]) -> FusionOutput:
        audio = self.audio_encoder(batch["audios"])  # B, H
        text = self.text_encoder(batch["texts"])
        video = self.video_encoder(batch["videos"])
        weights = self.fc_att(self.attention_mlp(torch.cat([audio, text, video], dim=1)))  # B, 3
        fused = torch.einsum("bmh,bm->bh", torch.stack([audio, text, video], dim=1), weights)  # B, H
        return FusionOutput(fused, _head(self.fc_out_1, fused), _head(self.fc_out_2, fused), fused.new_zeros(()))


def _head(layer: nn.Linear | None, fused: torch.Tensor) -> torch.Tensor:
    return fused.new_zeros(len(fused), 0) if layer is None else layer(fused)
