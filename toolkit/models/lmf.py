"""Low-rank Multimodal Fusion (Liu et al., "Efficient Low-rank Multimodal Fusion with Modality-Specific Factors", ACL
2018).

The tensor fusion of `toolkit.models.tfn` with its weight written as a sum of ``rank`` products of one factor per
modality, so that the outer product is never formed. The only dropout is the encoders'.
"""

from __future__ import annotations

import torch
from torch import nn

from toolkit.models import FusionOutput, ModelConfig
from toolkit.models.heads import fusion_output, output_heads
from toolkit.models.tfn import prepend_one
from toolkit.models.trimodal import TrimodalModel


class LMF(TrimodalModel):
    """Hyper-parameters: ``hidden_dim``, ``dropout``, ``rank``. Feature types: ``utt``, ``frm_align``, ``frm_unalign``.

    The fused representation has ``hidden_dim // 2`` features.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        rank, size = int(config.hyper["rank"]), self.hidden_dim // 2
        self.audio_factor = _xavier(rank, self.hidden_dim + 1, size)
        self.video_factor = _xavier(rank, self.hidden_dim + 1, size)
        self.text_factor = _xavier(rank, self.hidden_dim + 1, size)
        self.fusion_weights = _xavier(1, rank)
        self.fusion_bias = nn.Parameter(torch.zeros(1, size))
        self.fc_out_1, self.fc_out_2 = output_heads(size, config)

    def forward(self, batch: dict[str, torch.Tensor]) -> FusionOutput:
        audio, text, video = (prepend_one(x) for x in self.encode(batch))  # each B, H+1
        product = (audio @ self.audio_factor) * (video @ self.video_factor) * (text @ self.text_factor)  # rank, B, H/2
        fused = (self.fusion_weights.view(-1, 1, 1) * product).sum(dim=0) + self.fusion_bias  # B, H/2
        return fusion_output(self, fused)


def _xavier(*shape: int) -> nn.Parameter:
    return nn.Parameter(nn.init.xavier_normal_(torch.empty(shape)))
