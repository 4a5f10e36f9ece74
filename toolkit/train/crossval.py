"""One trial = one cross-validation: what its folds came to, put together; and the plain way to run it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from toolkit.data.dataset import FusionDataset, ResidentBatches
from toolkit.dataloader.corpora import Corpus
from toolkit.dataloader.splits import Folds
from toolkit.models import ModelConfig, build_model
from toolkit.train.loop import FoldResult, Predictions, predict, train_fold
from toolkit.train.settings import Optimisation, Trial


@dataclass(frozen=True)
class TrainingData:
    """What all trials share: the samples, resident on a device once, and how they are cut into folds.

    Attributes:
        folds: seed -> (train indices, validation indices) per fold.
        extra: how many samples at the end of `train` are only trained on (pseudo-labelled ones).
    """

    corpus: Corpus
    train: FusionDataset
    tests: Mapping[str, FusionDataset]
    resident: ResidentBatches
    resident_tests: Mapping[str, ResidentBatches]
    folds: Callable[[int], Folds]
    feat_type: str
    extra: int = 0

    def config(self, trial: Trial) -> ModelConfig:
        """What the models of `trial` are built from."""
        return ModelConfig(self.train.widths, *self.corpus.outputs, self.feat_type, dict(trial.hyper))


@dataclass(frozen=True)
class RunResult:
    """One finished trial.

    Attributes:
        folds: one result per fold.
        fold_of: validation fold of each labelled training sample ``(N,)``, -1 where a sample is in none.
        scores: means over the folds of the figures at each fold's best epoch (the epoch is chosen on the fold it is
            reported on, as in the reference).
        validation: outputs on the labelled training samples, each by the model that did not train on it (rows of
            samples in no validation fold are NaN).
        tests: test set -> mean over the folds of logits and valences.
        config: what the models were built from.
    """

    folds: list[FoldResult]
    fold_of: np.ndarray
    scores: dict[str, float]
    validation: Predictions
    tests: dict[str, Predictions]
    config: ModelConfig


def run_fold(
    trial: Trial,
    number: int,
    data: TrainingData,
    optimisation: Optimisation,
    on_epoch: Callable[[dict[str, float]], None] = lambda scores: None,
) -> tuple[FoldResult, dict[str, Predictions]]:
    """Train one fold and predict the test sets with its best weights; `on_epoch` hears the scores of every epoch.

    Everything random is a function of ``(trial.seed, number)``; torch's global generator is left as it was.

    Raises:
        FloatingPointError: as `toolkit.train.loop.train_fold`.
    """
    device = data.resident.device
    training, validation = data.folds(trial.stream("folds"))[number]
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(trial.stream("weights", number))
        model = build_model(trial.model, data.config(trial)).to(device)
        order = trial.stream("order", number)
        try:
            result = train_fold(
                model, data.resident, training, validation, optimisation, data.corpus.metric, order, on_epoch
            )
        except FloatingPointError as error:
            raise FloatingPointError(f"fold {number + 1}: {error}") from error
        model.load_state_dict(result.weights)
        tested = {name: predict(model, samples) for name, samples in data.resident_tests.items()}
    result.weights = {key: value.cpu() for key, value in result.weights.items()}
    return result, tested


def cross_validate(
    trial: Trial,
    data: TrainingData,
    optimisation: Optimisation,
    on_epoch: Callable[[int, dict[str, float]], None] = lambda fold, scores: None,
) -> RunResult:
    """Train and test one trial, a fold after the other; `on_epoch` hears (fold, scores) after every epoch."""
    pairs = data.folds(trial.stream("folds"))
    parts = [
        run_fold(trial, number, data, optimisation, functools.partial(on_epoch, number)) for number in range(len(pairs))
    ]
    return combine(trial, data, pairs, [fold for fold, _ in parts], [tested for _, tested in parts])


def combine(
    trial: Trial,
    data: TrainingData,
    pairs: Folds,
    folds: Sequence[FoldResult],
    tested: Sequence[Mapping[str, Predictions]],
) -> RunResult:
    """Put the folds of one trial together."""
    labelled = len(data.train) - data.extra
    fold_of = np.full(labelled, -1)
    for number, (_, validation) in enumerate(pairs):
        fold_of[validation] = number
    return RunResult(
        folds=list(folds),
        fold_of=fold_of,
        scores={key: float(np.mean([fold.scores[key] for fold in folds])) for key in folds[0].scores},
        validation=_out_of_fold(folds, [validation for _, validation in pairs], labelled),
        tests={name: _mean_predictions([outputs[name] for outputs in tested]) for name in data.tests},
        config=data.config(trial),
    )


def _mean_predictions(outputs: Sequence[Predictions]) -> Predictions:
    emos = np.mean([output.emos for output in outputs], axis=0)
    vals = np.mean([output.vals for output in outputs], axis=0)
    return Predictions(emos, vals)


def _out_of_fold(folds: Sequence[FoldResult], validations: Sequence[np.ndarray], total: int) -> Predictions:
    def gather(rows: Sequence[np.ndarray]) -> np.ndarray:
        whole = np.full((total, rows[0].shape[1]), np.nan, np.float32)
        for validation, part in zip(validations, rows, strict=True):
            whole[validation] = part
        return whole

    predictions = [fold.predictions for fold in folds]
    attention = [prediction.attention for prediction in predictions]
    return Predictions(
        emos=gather([prediction.emos for prediction in predictions]),
        vals=gather([prediction.vals for prediction in predictions]),
        attention=None if attention[0] is None else gather(attention),
    )
