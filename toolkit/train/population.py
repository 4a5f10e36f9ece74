"""The population trainer: trials x folds trained together as one stack of models.

It is the same training as `toolkit.train.loop`: the same initial weights, batch order, losses, Adam, clipping, last
partial batch, first-best-epoch rule. Only the dropout masks come from another generator. What changes is the shape of
the work: a step is a few batched matrix products for all members instead of hundreds of small operations per member.

All members of a group have the same parameter shapes and the same number of training samples (`groups` sees to it); the
data set lies on the device once; the best epoch of every member is kept on the device; test sets are predicted once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from toolkit.data.dataset import ResidentBatches
from toolkit.models import ModelConfig, build_model
from toolkit.train.input_dropout import DroppedInputs
from toolkit.train.loop import FoldResult, Predictions, epoch_order, require_learnable
from toolkit.train.scoring import score_members
from toolkit.train.settings import Optimisation, Trial
from toolkit.train.stack import ModelStack, StackedAdam, StackedMasks
from toolkit.utils.metric import selection_score

EVAL_BYTES = 32 * 2**20  # inputs of one evaluation chunk, all members together


@dataclass(frozen=True)
class Member:
    """One model of a population: a fold of a trial."""

    trial: Trial
    fold: int
    train: np.ndarray
    validation: np.ndarray
    config: ModelConfig
    optimisation: Optimisation


def train_population(
    members: Sequence[Member],
    data: ResidentBatches,
    tests: Mapping[str, ResidentBatches],
    metric: str,
    on_epoch: Callable[[int, np.ndarray], None] = lambda epoch, scores: None,
) -> list[tuple[FoldResult, dict[str, Predictions]]]:
    """Train one group of members; per member its fold's result and its predictions of the test sets, in input order.

    A member whose loss is not finite has ``best_epoch`` 0. `on_epoch` hears (epoch, selection scores ``(M,)``).
    """
    order = sorted(range(len(members)), key=lambda number: members[number].optimisation.lr)  # as StackedAdam wants
    trained = _Population([members[number] for number in order], data, metric)
    for epoch in range(1, members[0].optimisation.epochs + 1):
        trained.train_epoch()
        on_epoch(epoch, trained.evaluate(epoch))
    results = trained.results(tests)
    return [results[order.index(number)] for number in range(len(members))]


class _Population:
    """The state of a training group."""

    def __init__(self, members: Sequence[Member], data: ResidentBatches, metric: str) -> None:
        self.members, self.data, self.metric, self.device = members, data, metric, data.device
        with torch.random.fork_rng(devices=[]):
            models = [_initial_model(member) for member in members]
        seeds = [member.trial.stream("dropout", member.fold) for member in members]
        self.inputs = DroppedInputs(models, data, seeds)
        self.masks = StackedMasks(models, seeds, self.device, without=self.inputs.sites.values())
        self.stack = ModelStack(models, self.device, skipped=self.inputs.sites.values())
        common = members[0].optimisation
        rates = [member.optimisation.lr for member in members]
        self.adam = StackedAdam(self.stack, rates, common.l2, [member.optimisation.grad_clip for member in members])
        self.batch_size = common.batch_size
        self.shuffles = [
            np.random.default_rng(member.trial.stream("order", member.fold)) if common.shuffle else None
            for member in members
        ]
        self.validation = torch.from_numpy(np.stack([member.validation for member in members])).to(self.device)
        count = len(members)
        self.best_score = np.full(count, -np.inf)
        self.best_epoch = np.zeros(count, dtype=int)
        self.alive = np.ones(count, dtype=bool)
        self.best_params = {name: value.detach().clone() for name, value in self.stack.params.items()}
        self.best_outputs: list[torch.Tensor] | None = None
        self.history: list[dict[str, np.ndarray]] = []
        self.train_loss = np.full(count, np.nan)

    def train_epoch(self) -> None:
        """One pass of every member over its own training samples in its own order."""
        orders = [epoch_order(m.train, shuffle) for shuffle, m in zip(self.shuffles, self.members, strict=True)]
        index = torch.from_numpy(np.stack(orders)).to(self.device)  # M, samples
        losses = []
        for start in range(0, index.shape[1], self.batch_size):
            batch = self.inputs.batch(index[:, start : start + self.batch_size])
            loss = self.stack.losses(batch, self.masks.draw(self.stack, batch))
            require_learnable(loss)
            loss.sum().backward()
            self.adam.step()
            losses.append(loss.detach())
        self.train_loss = torch.stack(losses).mean(dim=0).cpu().numpy().astype(np.float64)
        self.alive &= np.isfinite(self.train_loss)

    def evaluate(self, epoch: int) -> np.ndarray:
        """Score every member on its validation samples and keep those that improved; selection scores ``(M,)``."""
        outputs, losses = self._predict(self.data, self.validation)
        emos, vals = outputs[0], outputs[1]
        truth = self.data.emos[self.validation], self.data.vals[self.validation]
        scores = {key: value.cpu().numpy() for key, value in score_members(emos, vals, *truth).items()}
        scores |= {"loss": losses.cpu().numpy().astype(np.float64), "train_loss": self.train_loss}
        self.history.append(scores)
        selected = np.asarray(selection_score(self.metric, scores))
        finite = (emos.flatten(1).isfinite().all(dim=1) & vals.flatten(1).isfinite().all(dim=1)).cpu().numpy()
        improved = (selected > self.best_score) & self.alive & finite
        self.best_score[improved] = selected[improved]
        self.best_epoch[improved] = epoch
        if self.best_outputs is None:
            self.best_outputs = [output.clone() for output in outputs]
        kept = torch.from_numpy(np.flatnonzero(improved)).to(self.device)
        for best, output in zip(self.best_outputs, outputs, strict=True):
            best[kept] = output[kept]
        for name, value in self.stack.params.items():
            self.best_params[name][kept] = value.detach()[kept]
        return selected

    def results(self, tests: Mapping[str, ResidentBatches]) -> list[tuple[FoldResult, dict[str, Predictions]]]:
        """What every member came to: its fold at its best epoch, its test predictions from those weights."""
        tested = {}
        for name, data in tests.items():
            outputs, _ = self._predict(data, None, self.best_params)
            tested[name] = [output.float().cpu().numpy() for output in outputs]
        best = [output.float().cpu().numpy() for output in self.best_outputs or ()]
        weights = {name: value.cpu() for name, value in self.best_params.items()}
        results = []
        for number in range(len(self.members)):
            history = [{key: float(value[number]) for key, value in scores.items()} for scores in self.history]
            epoch = int(self.best_epoch[number])
            fold = FoldResult(
                best_epoch=epoch,
                scores=history[epoch - 1] if epoch else {},
                predictions=_member_predictions(best, number),
                weights={name: value[number].clone() for name, value in weights.items()},
                history=history,
            )
            results.append((fold, {name: _member_predictions(outputs, number) for name, outputs in tested.items()}))
        return results

    def _predict(
        self, data: ResidentBatches, index: torch.Tensor | None, params: Mapping[str, torch.Tensor] | None = None
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Logits, valences, attention weights ``(M, N, ...)`` on samples `index` ``(M, N)`` (None: all), and losses."""
        shared = index is None
        total = len(data) if shared else index.shape[1]
        per_sample = 4 * sum(rows.shape[1] for rows in data.arrays) * (1 if shared else len(self.members))
        rows = max(16, EVAL_BYTES // per_sample)
        if self.metric == "loss":  # own losses depend on the batch: as the reference evaluates them
            rows = self.batch_size
        parts, losses, sizes = [], [], []
        for start in range(0, total, rows):
            if shared:
                positions = torch.arange(start, min(total, start + rows), device=self.device)
            else:
                positions = index[:, start : start + rows]
            *outputs, loss = self.stack.outputs(data.gather(positions), shared, params)
            parts.append(outputs)
            losses.append(loss)
            sizes.append(positions.shape[-1])
        weights = None if self.metric == "loss" else torch.tensor(sizes, dtype=torch.float32, device=self.device)
        return [torch.cat(column, dim=1) for column in zip(*parts, strict=True)], _mean(torch.stack(losses), weights)


def _mean(losses: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    """Mean over chunks ``(chunks, M)`` -> ``(M,)``, by the chunks' sizes unless `weights` is None."""
    if weights is None:
        return losses.mean(dim=0)
    return (losses * (weights / weights.sum()).unsqueeze(1)).sum(dim=0)


def _initial_model(member: Member) -> torch.nn.Module:
    torch.manual_seed(member.trial.stream("weights", member.fold))
    return build_model(member.trial.model, member.config)


def _member_predictions(outputs: Sequence[np.ndarray], number: int) -> Predictions:
    emos, vals, attention = (output[number] for output in outputs)
    return Predictions(emos, vals, attention=attention if attention.shape[1] else None)
