"""Training losses (SPEC 6), each a mean over the samples of the batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def training_loss(
    emos: torch.Tensor, vals: torch.Tensor, interloss: torch.Tensor, batch: dict[str, torch.Tensor]
) -> torch.Tensor:
    """Cross-entropy (if there are emotion logits) + valence MSE (if there are valences) + the model's own loss.

    Args:
        emos: logits ``(B, C)``, C may be 0.
        vals: valences ``(B, V)``, V is 0 or 1.
        interloss: scalar.
        batch: holds the targets ``emos`` ``(B,)`` and ``vals`` ``(B,)``.
    """
    loss = interloss
    if emos.shape[1]:
        loss = loss + F.cross_entropy(emos, batch["emos"])
    if vals.shape[1]:
        loss = loss + F.mse_loss(vals[:, 0], batch["vals"])
    return loss
