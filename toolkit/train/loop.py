"""The plain training loop: one model on one fold, exactly as the reference trains, minus its waste.

All epochs run; after each the validation set is scored; the epoch with the best selection score is kept, the first on
ties. Test sets are not touched here: they are predicted once, from the kept weights.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from toolkit.data.dataset import ResidentBatches
from toolkit.train.settings import Optimisation
from toolkit.utils.errors import UserError
from toolkit.utils.loss import training_loss
from toolkit.utils.metric import emotion_scores, selection_score, valence_mse


@dataclass(frozen=True)
class Predictions:
    """Outputs on some samples: logits ``(N, C)``, valences ``(N, V)``, float32; `loss` = mean loss over batches."""

    emos: np.ndarray
    vals: np.ndarray
    loss: float = math.nan


@dataclass
class FoldResult:
    """One fold at its best epoch (counted from 1): validation scores and predictions, weights, learning curve."""

    best_epoch: int = 0
    scores: dict[str, float] = field(default_factory=dict)
    predictions: Predictions | None = None
    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)


def train_fold(
    model: torch.nn.Module,
    data: ResidentBatches,
    train: np.ndarray,
    validation: np.ndarray,
    optimisation: Optimisation,
    metric: str,
    order_seed: int,
    on_epoch: Callable[[dict[str, float]], None] = lambda scores: None,
) -> FoldResult:
    """Train `model` in place on the samples `train` of `data`, select on `validation`.

    The order of samples is numpy's PCG64 of `order_seed`; dropout uses torch's current generator. The last partial
    batch is used.

    Raises:
        UserError: the loss is not finite (names the epoch).
    """
    optimiser = torch.optim.Adam(model.parameters(), lr=optimisation.lr, weight_decay=optimisation.l2)
    shuffle = np.random.default_rng(order_seed)
    result, best = FoldResult(), -math.inf
    for epoch in range(1, optimisation.epochs + 1):
        loss = _train_epoch(model, data, shuffle.permutation(train), optimiser, optimisation)
        if not math.isfinite(loss):
            raise UserError(f"the training loss became {loss} in epoch {epoch}; lower --lr or check the features")
        predictions = predict(model, data, validation)
        scores = score(predictions, data, validation) | {"train_loss": loss}
        result.history.append(scores)
        if selection_score(metric, scores) > best:
            best = selection_score(metric, scores)
            result.best_epoch, result.scores, result.predictions = epoch, scores, predictions
            result.weights = copy.deepcopy(model.state_dict())
        on_epoch(scores)
    return result


def _train_epoch(
    model: torch.nn.Module,
    data: ResidentBatches,
    order: np.ndarray,
    optimiser: torch.optim.Optimizer,
    optimisation: Optimisation,
) -> float:
    """One pass over `order`; the mean of the batches' losses."""
    model.train()
    losses = []
    for start in range(0, len(order), optimisation.batch_size):
        batch = data.batch(order[start : start + optimisation.batch_size])
        output = model(batch)
        loss = training_loss(output.emos, output.vals, output.interloss, batch)
        optimiser.zero_grad()
        loss.backward()
        if optimisation.grad_clip != -1:
            torch.nn.utils.clip_grad_value_(model.parameters(), optimisation.grad_clip)
        optimiser.step()
        losses.append(loss.detach())
    return float(torch.stack(losses).mean())


@torch.no_grad()
def predict(
    model: torch.nn.Module, data: ResidentBatches, indices: np.ndarray | None = None, batch_size: int = 512
) -> Predictions:
    """Outputs of `model` in eval mode on the samples `indices` (None = all), in that order."""
    model.eval()
    indices = np.arange(len(data)) if indices is None else indices
    emos, vals, losses = [], [], []
    for start in range(0, len(indices), batch_size):
        batch = data.batch(indices[start : start + batch_size])
        output = model(batch)
        emos.append(output.emos)
        vals.append(output.vals)
        losses.append(training_loss(output.emos, output.vals, output.interloss, batch))
    return Predictions(
        torch.cat(emos).float().cpu().numpy(), torch.cat(vals).float().cpu().numpy(), float(torch.stack(losses).mean())
    )


def score(predictions: Predictions, data: ResidentBatches, indices: np.ndarray) -> dict[str, float]:
    """Scores of predictions on the samples `indices`: f1, acc (with emotions), mse (with valence), loss."""
    scores = {"loss": predictions.loss}
    if predictions.emos.shape[1]:
        scores |= emotion_scores(predictions.emos, data.emos.cpu().numpy()[indices])
    if predictions.vals.shape[1]:
        scores["mse"] = valence_mse(predictions.vals[:, 0], data.vals.cpu().numpy()[indices])
    return scores
