"""Early fusion LSTM (Williams et al., "Recognizing Emotions in Video Using Multimodal DNN Feature Fusion", ACL 2018
Challenge-HML): one LSTM over the concatenated frames."""

from __future__ import annotations

import torch
from torch import nn

from toolkit.models import FusionOutput, ModelConfig
from toolkit.models.dropout import Dropout
from toolkit.models.frames import aligned_frames
from toolkit.models.heads import fusion_output, output_heads


class EFLSTM(nn.Module):
    """The LSTM's last hidden state, one linear layer and ReLU.

    Hyper-parameters: ``hidden_dim``, ``num_layers``, ``dropout`` (between the LSTM's layers, before and after the
    linear layer). Feature types: ``frm_align``.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        hidden, layers = int(config.hyper["hidden_dim"]), int(config.hyper["num_layers"])
        dropout = float(config.hyper["dropout"])
        between_layers = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(sum(config.feat_dims), hidden, layers, dropout=between_layers, batch_first=True)
        self.dropout = Dropout(dropout)
        self.linear = nn.Linear(hidden, hidden)
        self.fc_out_1, self.fc_out_2 = output_heads(hidden, config)

    def forward(self, batch: dict[str, torch.Tensor]) -> FusionOutput:
        frames = torch.cat(aligned_frames(batch), dim=2)  # B, T, sum of widths
        _, (hidden, _) = self.lstm(frames)  # layers, B, H
        return fusion_output(self, self.dropout(torch.relu(self.linear(self.dropout(hidden[-1])))))
