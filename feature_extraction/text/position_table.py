"""How long a text a model takes: found in its table of learned positions, whatever the config calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

# What transformers' models call a table with one row per position of the text.
TABLES = frozenset(("position_embeddings", "position_embedding", "embed_positions", "pos_embed", "wpe"))


def position_limit(model: nn.Module) -> int | None:
    """Most tokens of one text, from the smallest table of positions in `model`; None when there is none.

    RoBERTa and its kin count positions from `padding_idx` + 1, BART and OPT from an `offset`: so many rows of the
    table are not for tokens.
    """
    limits = []
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)  # not every table is an nn.Embedding (I-BERT's is quantised)
        if name.rsplit(".", 1)[-1] in TABLES and weight is not None:
            padding = getattr(module, "padding_idx", None)
            offset = getattr(module, "offset", 0 if padding is None else padding + 1)
            limits.append(weight.shape[0] - offset)
    return min(limits, default=None)
