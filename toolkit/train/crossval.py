"""Cross-validation of one trial: train every fold, average the figures, predict the test sets once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from toolkit.data.dataset import FusionDataset
from toolkit.dataloader.corpora import Corpus
from toolkit.dataloader.splits import Folds
from toolkit.models import ModelConfig, build_model
from toolkit.train.loop import FoldResult, Predictions, predict, train_fold
from toolkit.train.settings import Optimisation, Trial


@dataclass(frozen=True)
class RunResult:
    """One finished trial.

    Attributes:
        folds: one result per fold.
        fold_of: validation fold of each training sample ``(N,)``, -1 where a sample is in none.
        scores: means over the folds of the figures at each fold's best epoch (the epoch is chosen on the fold it is
            reported on, as in the reference).
        validation: outputs on the training samples, each by the model that did not train on it (rows of samples in no
            validation fold are NaN).
        tests: test set -> mean over the folds of logits and valences.
        config: what the models were built from.
    """

    folds: list[FoldResult]
    fold_of: np.ndarray
    scores: dict[str, float]
    validation: Predictions
    tests: dict[str, Predictions]
    config: ModelConfig


def cross_validate(
    trial: Trial,
    corpus: Corpus,
    pairs: Folds,
    train: FusionDataset,
    tests: Mapping[str, FusionDataset],
    feat_type: str,
    optimisation: Optimisation,
    device: torch.device,
    on_epoch: Callable[[int, dict[str, float]], None] = lambda fold, scores: None,
) -> RunResult:
    """Train and test one trial on the (train, validation) `pairs`; `on_epoch` hears (fold, scores) after every epoch.

    Weights, dropout and order are functions of ``trial.seed``; torch's global generator is left as it was.
    """
    config = ModelConfig(train.widths, *corpus.outputs, feat_type, dict(trial.hyper))
    data = train.to_device(device)
    test_data = {name: dataset.to_device(device) for name, dataset in tests.items()}
    folds: list[FoldResult] = []
    test_outputs: dict[str, list[Predictions]] = {name: [] for name in tests}
    fold_of = np.full(len(train), -1)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for number, (training, validation) in enumerate(pairs):
            torch.manual_seed(trial.stream("weights", number))
            model = build_model(trial.model, config).to(device)
            order_seed = trial.stream("order", number)

            def report(scores: dict[str, float], number: int = number) -> None:
                on_epoch(number, scores)

            result = train_fold(model, data, training, validation, optimisation, corpus.metric, order_seed, report)
            model.load_state_dict(result.weights)
            for name, samples in test_data.items():
                test_outputs[name].append(predict(model, samples))
            result.weights = {key: value.cpu() for key, value in result.weights.items()}
            fold_of[validation] = number
            folds.append(result)
    return RunResult(
        folds=folds,
        fold_of=fold_of,
        scores=_mean_scores(folds),
        validation=_out_of_fold(folds, [validation for _, validation in pairs], corpus, len(train)),
        tests={name: _mean_predictions(outputs) for name, outputs in test_outputs.items()},
        config=config,
    )


def _mean_scores(folds: list[FoldResult]) -> dict[str, float]:
    return {key: float(np.mean([fold.scores[key] for fold in folds])) for key in folds[0].scores}


def _mean_predictions(outputs: list[Predictions]) -> Predictions:
    emos = np.mean([output.emos for output in outputs], axis=0)
    vals = np.mean([output.vals for output in outputs], axis=0)
    return Predictions(emos, vals)


def _out_of_fold(folds: list[FoldResult], validations: list[np.ndarray], corpus: Corpus, total: int) -> Predictions:
    emos = np.full((total, corpus.outputs[0]), np.nan, np.float32)
    vals = np.full((total, corpus.outputs[1]), np.nan, np.float32)
    for result, validation in zip(folds, validations, strict=True):
        emos[validation] = result.predictions.emos
        vals[validation] = result.predictions.vals
    return Predictions(emos, vals)
