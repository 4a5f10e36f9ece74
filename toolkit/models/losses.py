"""Losses that some fusion models add to the task's own: functions of tensors, without parameters.

All work under `torch.func.vmap` and give finite gradients for a batch of one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F


def difference_loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Soft orthogonality of two representations ``(B, H)`` (Hazarika et al., "MISA", ACM MM 2020, eq. 5): a scalar.

    Both are centred over the batch and their rows scaled to unit length (the length is taken as a constant in the
    gradient); the loss is the mean square of the ``(H, H)`` matrix ``x^T y``.
    """
    return (_unit_rows(x).t() @ _unit_rows(y)).square().mean()


def _unit_rows(x: torch.Tensor) -> torch.Tensor:
    centred = x - x.mean(dim=0, keepdim=True)
    return centred / (torch.linalg.vector_norm(centred, dim=1, keepdim=True).detach() + 1e-6)


def central_moment_discrepancy(x: torch.Tensor, y: torch.Tensor, moments: int = 5) -> torch.Tensor:
    """Distance of two distributions, given as samples ``(B, H)`` (Zellinger et al., "CMD", ICLR 2017): a scalar.

    The Euclidean distance of the means, plus those of the central moments 2 to `moments`. Where a distance is zero, as
    all but the first are for a batch of one, its gradient is zero (that of a plain square root would be NaN).
    """
    mean_x, mean_y = x.mean(dim=0), y.mean(dim=0)  # H
    loss = torch.linalg.vector_norm(mean_x - mean_y)
    for order in range(2, moments + 1):
        moment_x = (x - mean_x).pow(order).mean(dim=0)  # H
        moment_y = (y - mean_y).pow(order).mean(dim=0)
        loss = loss + torch.linalg.vector_norm(moment_x - moment_y)
    return loss


def contrastive_loss(x: torch.Tensor, predicted: torch.Tensor) -> torch.Tensor:
    """InfoNCE without a temperature (van den Oord et al., "CPC", 2018), over cosine similarities: a scalar.

    `x` and its prediction are ``(B, H)``; the other predictions of the batch are the negatives. An all-zero row (a
    ReLU encoder can give one) counts as similarity zero.
    """
    similarity = F.normalize(x, dim=1) @ F.normalize(predicted, dim=1).t()  # B, B
    return (torch.logsumexp(similarity, dim=1) - torch.diagonal(similarity)).mean()


def gaussian_log_likelihood(y: torch.Tensor, mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """Mean over the batch of ``-(y - mean)^2 / (2 variance)``, summed over H; all inputs ``(B, H)``: a scalar.

    The log-likelihood of a diagonal Gaussian without its normalisation (``log_variance`` itself is not subtracted), as
    MMIM's authors and the MER2024 baseline compute it.
    """
    return (-(mean - y).square() / 2 / log_variance.exp()).sum(dim=-1).mean()
