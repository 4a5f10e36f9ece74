"""Scores of many members at once, on the device where the predictions are: what both trainers select epochs by."""

from __future__ import annotations

import torch


def score_members(
    emos: torch.Tensor, vals: torch.Tensor, true_emos: torch.Tensor, true_vals: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Scores per member ``(M,)`` float64 of logits ``(M, N, C)`` and valences ``(M, N, V)``.

    With emotions: ``f1`` (weighted), ``acc``. With valence: ``mse``; without emotions also ``f1`` and ``acc`` of
    (valence > 0) over samples whose true valence is not 0. Definitions: `toolkit.utils.metric` (scikit-learn's).

    Args:
        emos: logits; C may be 0.
        vals: valences; V is 0 or 1.
        true_emos: class indices ``(M, N)``.
        true_vals: valences ``(M, N)``.
    """
    scores: dict[str, torch.Tensor] = {}
    if emos.shape[2]:
        everywhere = torch.ones_like(true_emos, dtype=torch.bool)
        scores |= _class_scores(emos.argmax(dim=2), true_emos, everywhere, emos.shape[2])
    if vals.shape[2]:
        predicted = vals[:, :, 0]
        if not emos.shape[2]:
            scores |= _class_scores((predicted > 0).long(), (true_vals > 0).long(), true_vals != 0, 2)
        scores["mse"] = (predicted.double() - true_vals.double()).square().mean(dim=1)
    return scores


def _class_scores(
    predicted: torch.Tensor, true: torch.Tensor, counted: torch.Tensor, classes: int
) -> dict[str, torch.Tensor]:
    """Weighted F1 and accuracy from the members' confusion matrices; a class without support has no weight."""
    members = len(true)
    first = torch.arange(members, device=true.device).unsqueeze(1) * classes * classes
    cells = (first + true * classes + predicted)[counted]
    confusion = torch.bincount(cells, minlength=members * classes * classes).double()
    confusion = confusion.view(members, classes, classes)  # member, true, predicted
    hits = confusion.diagonal(dim1=1, dim2=2)
    support, guesses = confusion.sum(dim=2), confusion.sum(dim=1)
    f1 = 2 * hits / (support + guesses).clamp(min=1)
    total = support.sum(dim=1).clamp(min=1)
    return {"f1": (f1 * support).sum(dim=1) / total, "acc": hits.sum(dim=1) / total}
