"""The prediction itself: the mean of the folds' logits, block by block; samples that cannot be read are set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from toolkit.predict.reading import SampleReader
from toolkit.train.loop import Predictions
from toolkit.train.results import softmax
from toolkit.train.saved_model import SavedModel
from toolkit.utils.errors import UserError
from toolkit.utils.progress import progress_bar


@dataclass(frozen=True)
class Predicted:
    """What a model says about some samples.

    Attributes:
        names: the samples, in the order asked for.
        outputs: logits ``(N, C)``, valences ``(N, V)`` and modality weights ``(N, inputs)``: means over the folds.
        failures: name -> why there is no prediction.
        blank: names of which an input is nothing but zeros: no face, no words, silence.
    """

    names: list[str]
    outputs: Predictions
    failures: dict[str, str]
    blank: frozenset[str] = field(default=frozenset())

    @property
    def probabilities(self) -> np.ndarray:
        """Softmax of the mean logits, ``(N, C)``."""
        return softmax(self.outputs.emos)


Part = tuple[Sequence[str], Predictions, list[str]]  # names, what is said of them, those with an input of zeros


def predict_samples(model: SavedModel, reader: SampleReader, names: Sequence[str], device: torch.device) -> Predicted:
    """Predict the samples `names`; one that cannot be read costs no other."""
    parts: list[Part] = []
    failures: dict[str, str] = {}
    with progress_bar(len(names), "predicting", "sample", len(names) > reader.block) as bar:
        for start in range(0, len(names), reader.block):
            block = names[start : start + reader.block]
            try:
                parts += _predict(model, reader, block, device)
            except UserError:
                for name in block:  # one of them: find out which, and predict the others
                    try:
                        parts += _predict(model, reader, [name], device)
                    except UserError as error:
                        failures[name] = str(error)
            bar.update(len(block))
    return _in_order(parts, names, model, failures)


def nothing_predicted(model: SavedModel) -> Predicted:
    """The prediction of no sample."""
    return _in_order([], [], model, {})


def _predict(model: SavedModel, reader: SampleReader, names: Sequence[str], device: torch.device) -> list[Part]:
    return [
        (part, model.predict({key: value.to(device) for key, value in batch.items()}), _blank(part, batch, reader.keys))
        for part, batch in reader.batches(names)
    ]


def _blank(names: Sequence[str], batch: Mapping[str, torch.Tensor], keys: Sequence[str]) -> list[str]:
    """The samples of a batch that have nothing but zeros in one of the inputs `keys`."""
    zeros = [~batch[key].flatten(start_dim=1).any(dim=1) for key in keys]
    return [name for name, rows in zip(names, zip(*zeros, strict=True), strict=True) if any(rows)]


def _in_order(parts: list[Part], names: Sequence[str], model: SavedModel, failures: dict[str, str]) -> Predicted:
    """The parts as one, in the order of `names`."""
    classes, values = model.description["outputs"]
    outputs = [part for _, part, _ in parts]
    emos = np.concatenate([np.zeros((0, classes), np.float32), *(part.emos for part in outputs)])
    vals = np.concatenate([np.zeros((0, values), np.float32), *(part.vals for part in outputs)])
    weights = None
    if outputs and outputs[0].attention is not None:
        weights = np.concatenate([part.attention for part in outputs])
    row = {name: number for number, name in enumerate(name for part, _, _ in parts for name in part)}
    kept = [name for name in names if name in row]
    order = np.array([row[name] for name in kept], np.int64)
    blank = frozenset(name for _, _, part in parts for name in part)
    return Predicted(kept, Predictions(emos, vals, attention=weights).rows(order), failures, blank)
