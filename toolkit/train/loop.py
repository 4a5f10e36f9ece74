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
from toolkit.train.scoring import score_members
from toolkit.train.settings import Optimisation
from toolkit.utils.errors import UserError
from toolkit.utils.loss import training_loss
from toolkit.utils.metric import selection_score

EVAL_BATCH = 512  # samples per forward pass in evaluation


@dataclass(frozen=True)
class Predictions:
    """Outputs on some samples, float32.

    Attributes:
        emos: logits ``(N, C)``.
        vals: valences ``(N, V)``.
        loss: mean over the evaluation batches of the loss.
        attention: weight of each input ``(N, inputs)`` for models that have such weights.
    """

    emos: np.ndarray
    vals: np.ndarray
    loss: float = math.nan
    attention: np.ndarray | None = None

    def rows(self, chosen: np.ndarray) -> Predictions:
        """The outputs on some of the samples (mask or indices), without the loss."""
        attention = None if self.attention is None else self.attention[chosen]
        return Predictions(self.emos[chosen], self.vals[chosen], attention=attention)


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
        FloatingPointError: the loss is not finite (names the epoch), or no validation output is.
        UserError: there is nothing to learn.
    """
    optimiser = torch.optim.Adam(model.parameters(), lr=optimisation.lr, weight_decay=optimisation.l2, fused=True)
    eval_size = optimisation.batch_size if metric == "loss" else EVAL_BATCH
    shuffle = np.random.default_rng(order_seed) if optimisation.shuffle else None
    result, best = FoldResult(), -math.inf
    for epoch in range(1, optimisation.epochs + 1):
        loss = _train_epoch(model, data, epoch_order(train, shuffle), optimiser, optimisation)
        if not math.isfinite(loss):
            raise FloatingPointError(f"the training loss became {loss} in epoch {epoch}")
        predictions = predict(model, data, validation, eval_size)
        scores = score(predictions, data, validation) | {"train_loss": loss}
        result.history.append(scores)
        if selection_score(metric, scores) > best and _finite(predictions):
            best = selection_score(metric, scores)
            result.best_epoch, result.scores, result.predictions = epoch, scores, predictions
            result.weights = copy.deepcopy(model.state_dict())
        on_epoch(scores)
    if not result.best_epoch:
        raise FloatingPointError("no epoch gave finite validation outputs")
    return result


def _finite(predictions: Predictions) -> bool:
    return bool(np.isfinite(predictions.emos).all() and np.isfinite(predictions.vals).all())


def epoch_order(train: np.ndarray, shuffle: np.random.Generator | None) -> np.ndarray:
    """The samples of one epoch in the order of training; without a generator always as they stand."""
    return train if shuffle is None else shuffle.permutation(train)


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
        require_learnable(loss)
        optimiser.zero_grad()
        loss.backward()
        if optimisation.grad_clip != -1:
            torch.nn.utils.clip_grad_value_(model.parameters(), optimisation.grad_clip)
        optimiser.step()
        losses.append(loss.detach())
    return float(torch.stack(losses).mean())


def require_learnable(loss: torch.Tensor) -> None:
    """Refuse a training loss that depends on no weight.

    Raises:
        UserError: always then.
    """
    if not loss.requires_grad:
        raise UserError("nothing to learn: this corpus has no labels and this model has no loss of its own")


@torch.no_grad()
def predict(
    model: torch.nn.Module, data: ResidentBatches, indices: np.ndarray | None = None, batch_size: int = EVAL_BATCH
) -> Predictions:
    """Outputs of `model` in eval mode on the samples `indices` (None = all), in that order."""
    model.eval()
    indices = np.arange(len(data)) if indices is None else indices
    parts, losses, weights = [], [], []
    for start in range(0, len(indices), batch_size):
        batch = data.batch(indices[start : start + batch_size])
        output = model(batch)
        parts.append((output.emos, output.vals, output.attention))
        losses.append(training_loss(output.emos, output.vals, output.interloss, batch))
        weights.append(len(output.emos) if batch_size == EVAL_BATCH else 1)
    emos, vals, attention = (
        None if column[0] is None else torch.cat(column).float().cpu().numpy() for column in zip(*parts, strict=True)
    )
    return Predictions(emos, vals, float(np.average(torch.stack(losses).cpu(), weights=weights)), attention)


def score(predictions: Predictions, data: ResidentBatches, indices: np.ndarray) -> dict[str, float]:
    """Scores of predictions on the samples `indices` (`toolkit.train.scoring.score_members`), and the loss."""
    outputs = torch.from_numpy(predictions.emos)[None], torch.from_numpy(predictions.vals)[None]
    truth = data.emos[indices].cpu()[None], data.vals[indices].cpu()[None]
    return {key: float(value) for key, value in score_members(*outputs, *truth).items()} | {"loss": predictions.loss}
