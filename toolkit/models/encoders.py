"""Encoders of one modality, shared by the fusion models."""

from __future__ import annotations

import torch
from torch import nn

from toolkit.models.dropout import Dropout
from toolkit.models.linear import Linear


class MLPEncoder(nn.Module):
    """Dropout on the input, then three linear + ReLU layers: ``(B, D)`` -> ``(B, H)``.

    The sub-network of MMSA / Tensor Fusion Network (Zadeh et al., EMNLP 2017).
    """

    def __init__(self, in_size: int, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.drop = Dropout(dropout)
        self.linear_1 = Linear(in_size, hidden_size)
        self.linear_2 = Linear(hidden_size, hidden_size)
        self.linear_3 = Linear(hidden_size, hidden_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.linear_1(self.drop(x)))
        x = torch.relu(self.linear_2(x))
        return torch.relu(self.linear_3(x))


class LSTMEncoder(nn.Module):
    """One LSTM layer, its last hidden state, dropout, one linear layer: ``(B, T, D)`` -> ``(B, H)``."""

    def __init__(self, in_size: int, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.rnn = nn.LSTM(in_size, hidden_size, batch_first=True)
        self.dropout = Dropout(dropout)
        self.linear_1 = Linear(hidden_size, hidden_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, (hidden, _) = self.rnn(x)  # hidden: 1, B, H
        return self.linear_1(self.dropout(hidden[0]))


def build_encoder(feat_type: str, in_size: int, hidden_size: int, dropout: float) -> nn.Module:
    """The encoder for a feature type: MLP for ``utt``, LSTM for both frame types."""
    encoder = MLPEncoder if feat_type == "utt" else LSTMEncoder
    return encoder(in_size, hidden_size, dropout)
