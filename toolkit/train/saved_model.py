"""Saved models: the folds' best weights (safetensors) and a json with everything needed to use them again."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from toolkit.data.dataset import FusionDataset
from toolkit.dataloader.corpora import Corpus
from toolkit.models import ModelConfig, build_model
from toolkit.train.crossval import RunResult
from toolkit.train.loop import Predictions
from toolkit.train.model_file import AGAIN, DESCRIPTION, FORMAT, damaged, read_description
from toolkit.train.record import versions
from toolkit.utils import atomic
from toolkit.utils.errors import UserError


def save(
    folder: Path,
    record: argparse.Namespace,
    features: Sequence[str],
    corpus: Corpus,
    result: RunResult,
    train: FusionDataset,
) -> Path:
    """Write ``{fold1..foldN.safetensors, model.json}`` into `folder`, replacing what is there; whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    atomic.remove_orphans(folder.parent)
    part, old = atomic.part_path(folder), atomic.part_path(folder.with_name(f"{folder.name}.old"))
    try:
        part.mkdir()
        for number, fold in enumerate(result.folds, start=1):
            tensors = {key: value.contiguous() for key, value in fold.weights.items()}
            weights = part / f"fold{number}.safetensors"
            try:
                save_file(tensors, weights)
            except SafetensorError as error:  # its I/O errors, too, come as this
                raise UserError(
                    f"{folder / weights.name}: cannot be written ({error}); make room and run again"
                ) from error
        description = {
            "format": FORMAT,
            "model": record.model,
            "feat_type": record.feat_type,
            "feat_scale": record.feat_scale,
            "features": list(features),
            "keys": list(record.input_keys),
            "feat_dims": list(result.config.feat_dims),
            "outputs": list(corpus.outputs),
            "emotions": list(corpus.emotions),
            "hyper": dict(result.config.hyper),
            "folds": len(result.folds),
            "lengths": [0 if isinstance(rows, np.ndarray) else max(map(len, rows)) for rows in train.inputs],
            "train_names": list(train.names),
            "scores": result.scores,
            "versions": versions(),
            "args": vars(record) | _absolute_root(record),
        }
        atomic.write_text(part / DESCRIPTION, json.dumps(description, indent=1, sort_keys=True, default=str) + "\n")
        if folder.exists():
            os.replace(folder, old)
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return folder


def _absolute_root(record: argparse.Namespace) -> dict[str, str]:
    """The data root so that it is found from any folder."""
    given = getattr(record, "data_root", None)
    return {} if given is None else {"data_root": os.path.abspath(os.path.expanduser(given))}


@dataclass(frozen=True)
class SavedModel:
    """A loaded run: one model per fold, in eval mode, and what `model.json` says about it."""

    models: list[torch.nn.Module]
    description: Mapping[str, Any]

    def logits(self, batch: Mapping[str, torch.Tensor]) -> np.ndarray:
        """Mean over the folds of the emotion logits ``(B, C)`` of a batch dict; raises like `predict`."""
        return self.predict(batch).emos

    @torch.no_grad()
    def predict(self, batch: Mapping[str, torch.Tensor]) -> Predictions:
        """Means over the folds, as for test sets in training: logits ``(B, C)``, valences, modality weights if any.

        Raises:
            UserError: the batch does not hold the inputs, of the widths, that the model was trained on.
        """
        for key, width in zip(self.description["keys"], self.description["feat_dims"], strict=True):
            if key not in batch:
                raise UserError(f"the saved model needs the input {key}; given: {', '.join(batch)}")
            if batch[key].shape[-1] != width:
                feature = self.description["features"]
                raise UserError(f"{key} has width {batch[key].shape[-1]}, the model was trained on {width} ({feature})")
        outputs = [model(dict(batch)) for model in self.models]
        emos, vals = (
            np.mean([getattr(output, key).cpu().numpy() for output in outputs], axis=0) for key in ("emos", "vals")
        )
        if outputs[0].attention is None:
            return Predictions(emos, vals)
        attention = np.mean([output.attention.cpu().numpy() for output in outputs], axis=0)
        return Predictions(emos, vals, attention=attention)

    def to(self, device: torch.device) -> SavedModel:
        """The same on `device`."""
        return SavedModel([model.to(device) for model in self.models], self.description)


def load(folder: Path) -> SavedModel:
    """Load what `save` wrote.

    Raises:
        UserError: not a saved model, of another format, damaged, or weights that do not fit their description.
    """
    path = folder / DESCRIPTION
    if not path.exists():
        raise UserError(f"{folder} is no saved model: it has no {DESCRIPTION}; train with --savemodel")
    description = read_description(path)
    weights = []
    for number in range(1, description["folds"] + 1):  # before as many models are built
        weights.append(folder / f"fold{number}.safetensors")
        if not weights[-1].is_file():
            raise UserError(
                f"{path}: says that there are {description['folds']} folds, but {weights[-1].name} is missing; {AGAIN}"
            )
    config = ModelConfig(
        tuple(description["feat_dims"]), *description["outputs"], description["feat_type"], description["hyper"]
    )
    try:
        models = [build_model(description["model"], config).eval() for _ in weights]
    except Exception as error:  # settings of any wrong kind, in any model: each complains in its own way
        raise damaged(path, f"no {description['model']} can be built: {type(error).__name__}: {error}") from error
    for model, place in zip(models, weights, strict=True):
        _load_weights(model, place)
    return SavedModel(models, description)


def _load_weights(model: torch.nn.Module, path: Path) -> None:
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read ({error}); {AGAIN}") from error
    expected = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in weights.items()}
    if expected != found:
        wrong = sorted(set(expected.items()) ^ set(found.items()))[:3]
        shown = "; ".join(f"{key} {shape}" for key, shape in wrong)
        raise UserError(f"{path}: these weights do not fit {DESCRIPTION}; first differences: {shown}; {AGAIN}")
    model.load_state_dict(weights)
