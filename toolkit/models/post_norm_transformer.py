"""A post-norm transformer encoder (Vaswani et al., NeurIPS 2017) whose dropouts are `toolkit.models.dropout.Dropout`.

Parameter names, initial values and dropout sites are those of `torch.nn.TransformerEncoder` (ReLU), whose own dropout
takes no mask from outside and so cannot be trained in a stack.
"""

from __future__ import annotations

import torch
from torch import nn

from toolkit.models.dropout import Dropout
from toolkit.models.linear import Linear


class TransformerEncoder(nn.Module):
    """`layers` encoder layers: ``(B, T, H)`` -> ``(B, T, H)``."""

    def __init__(self, size: int, heads: int, layers: int, feedforward: int = 2048, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(size, heads, feedforward, dropout) for _ in range(layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward net, each added to its input and then normalised."""

    def __init__(self, size: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = SelfAttention(size, heads, dropout)
        self.linear1 = Linear(size, feedforward)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(feedforward, size)
        self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm1(x + self.dropout1(self.self_attn(x)))
        inner = self.dropout(torch.relu(self.linear1(x)))  # B, T, feedforward
        return self.norm2(x + self.dropout2(self.linear2(inner)))


class SelfAttention(nn.Module):
    """Multi-head self-attention with dropout on the attention weights; `size` is a multiple of `heads`."""

    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(3 * size, size)))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * size))
        self.out_proj = Linear(size, size)
        nn.init.zeros_(self.out_proj.bias)
        self.dropout = Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        projected = nn.functional.linear(x, self.in_proj_weight, self.in_proj_bias)  # B, T, 3H
        query, key, value = (  # each B, heads, T, H/heads
            part.unflatten(-1, (self.heads, -1)).transpose(-3, -2) for part in projected.chunk(3, dim=-1)
        )
        scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5  # B, heads, T, T
        attended = self.dropout(torch.softmax(scores, dim=-1)) @ value  # B, heads, T, H/heads
        return self.out_proj(attended.transpose(-3, -2).flatten(-2))
