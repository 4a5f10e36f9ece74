"""Crossmodal transformer encoder of MulT (Tsai et al., ACL 2019), time first: ``(T, B, D)``.

Layers normalise before attention and before the feed-forward part. Unlike the paper's there are no position embeddings:
the reference has none (its golden vectors agree only without). Order still matters through the mask: a frame looks at
later frames only as far as the two sequences differ in length.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from toolkit.models.dropout import Dropout


class TransformerEncoder(nn.Module):
    """Self-attention over a sequence, or attention from it to another one.

    Args:
        embed_dim: width D of both sequences.
        num_heads: attention heads; divides `embed_dim`.
        layers: number of layers.
        attn_dropout: on the attention weights.
        dropout: on the scaled inputs, after attention, and twice in the feed-forward part.
    """

    def __init__(self, embed_dim: int, num_heads: int, layers: int, attn_dropout: float, dropout: float) -> None:
        super().__init__()
        self.scale = math.sqrt(embed_dim)
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(
            [TransformerLayer(embed_dim, num_heads, attn_dropout, dropout) for _ in range(layers)]
        )
        self.layer_norm = nn.LayerNorm(embed_dim)
        self.register_buffer("version", torch.tensor([2.0]))  # unused; the reference's state dicts have it

    def forward(self, x: torch.Tensor, source: torch.Tensor | None = None) -> torch.Tensor:
        """``(T, B, D)``, and ``(S, B, D)`` to attend to (None: `x` itself) -> ``(T, B, D)``."""
        x = self.dropout(self.scale * x)
        keys = values = None
        if source is not None:
            # Keys and values are the same frames under two dropout masks, as in the reference.
            keys, values = self.dropout(self.scale * source), self.dropout(self.scale * source)
        for layer in self.layers:
            x = layer(x, keys, values)
        return self.layer_norm(x)


class TransformerLayer(nn.Module):
    """One pre-norm layer: attention, then a feed-forward part of four times the width, each added to its input."""

    def __init__(self, embed_dim: int, num_heads: int, attn_dropout: float, dropout: float) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(embed_dim, num_heads, dropout=attn_dropout)
        self.fc1, self.fc2 = nn.Linear(embed_dim, 4 * embed_dim), nn.Linear(4 * embed_dim, embed_dim)
        self.layer_norms = nn.ModuleList([nn.LayerNorm(embed_dim) for _ in range(2)])
        self.dropout = Dropout(dropout)
        for linear in (self.self_attn.out_proj, self.fc1, self.fc2):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(
        self, x: torch.Tensor, keys: torch.Tensor | None = None, values: torch.Tensor | None = None
    ) -> torch.Tensor:
        """``(T, B, D)``, and keys and values ``(S, B, D)`` (None: `x` itself) -> ``(T, B, D)``."""
        before_attention, before_feed_forward = self.layer_norms
        query = before_attention(x)
        keys = query if keys is None else before_attention(keys)
        values = query if values is None else before_attention(values)
        hidden_from = future_mask(len(query), len(keys), x.device)
        attended, _ = self.self_attn(query, keys, values, attn_mask=hidden_from, need_weights=False)
        x = x + self.dropout(attended)
        wide = self.dropout(torch.relu(self.fc1(before_feed_forward(x))))  # T, B, 4D
        return x + self.dropout(self.fc2(wide))


def future_mask(queries: int, keys: int, device: torch.device | None = None) -> torch.Tensor:
    """``(queries, keys)``, True where key j is hidden from query i: j > i + abs(keys - queries)."""
    return torch.ones(queries, keys, dtype=torch.bool, device=device).triu(1 + abs(keys - queries))
