"""Late fusion by a small network over concatenated encodings.

Cambria et al., "Benchmarking Multimodal Sentiment Analysis", 2017; Williams et al., "Recognizing Emotions in Video
Using Multimodal DNN Feature Fusion", 2018.
"""

from __future__ import annotations

import torch

from toolkit.models import FusionOutput, ModelConfig
from toolkit.models.dropout import Dropout
from toolkit.models.heads import fusion_output, output_heads
from toolkit.models.linear import Linear
from toolkit.models.trimodal import TrimodalModel


class LFDNN(TrimodalModel):
    """Hyper-parameters: ``hidden_dim``, ``dropout``. Feature types: ``utt``, ``frm_align``, ``frm_unalign``."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.post_fusion_dropout = Dropout(self.dropout_p)
        self.post_fusion_layer_1 = Linear(3 * self.hidden_dim, self.hidden_dim)
        self.post_fusion_layer_2 = Linear(self.hidden_dim, self.hidden_dim)
        self.fc_out_1, self.fc_out_2 = output_heads(self.hidden_dim, config)

    def forward(self, batch: dict[str, torch.Tensor]) -> FusionOutput:
        audio, text, video = self.encode(batch)  # each B, H
        fused = self.post_fusion_dropout(torch.cat([audio, video, text], dim=1))  # B, 3H
        fused = torch.relu(self.post_fusion_layer_1(fused))  # B, H
        return fusion_output(self, torch.relu(self.post_fusion_layer_2(fused)))
