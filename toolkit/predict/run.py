"""``main-predict.py``: from a saved model and clips, or feature folders, to predictions."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import torch

from toolkit.data.cache import FeatureStore
from toolkit.data.corpus_file import emotion_fault
from toolkit.predict import files
from toolkit.predict.ensemble import Predicted, nothing_predicted, predict_samples
from toolkit.predict.feature_samples import folder_samples
from toolkit.predict.reading import SampleReader
from toolkit.predict.run_folder import find_model
from toolkit.predict.table import listed, prediction_table
from toolkit.train import saved_model
from toolkit.train.saved_model import SavedModel
from toolkit.utils.device import resolve_device
from toolkit.utils.errors import UserError


class Extracted(Protocol):
    """Clips that became features: the folder of each model input; names in order; what failed; remarks.

    `status` is 1 when a clip of `names` is to be listed as incomplete (no face), 0 else.
    """

    folders: Sequence[Path]
    names: Sequence[str]
    failures: Mapping[str, str]
    notes: Mapping[str, Sequence[str]]
    remarks: Sequence[str]
    status: int


# (arguments, what model.json says) -> the features of args.video, there as long as the context is open
Extract = Callable[[argparse.Namespace, Mapping[str, Any]], AbstractContextManager[Extracted]]


def predict(args: argparse.Namespace, extract: Extract) -> int:
    """Do what checked `args` (`toolkit.predict.arguments.parse`) say; the exit status: 1 when a clip failed.

    Raises:
        UserError: no usable model, features or flags.
    """
    folder = find_model(args.model)
    model = saved_model.load(folder)
    _check(args, model.description)
    device = resolve_device(args.gpu, args.strict_gpu)
    model = model.to(device)
    args = argparse.Namespace(**vars(args) | {"gpu": device.index if device.type == "cuda" else -1})
    output = Path(args.output).expanduser()
    files.prepare_output(output)
    notes: Mapping[str, Sequence[str]] = {}
    remarks: list[str] = []
    status = 0
    if args.features:
        folders, names, failures = folder_samples(args.features, model.description["features"], args.names)
        store = FeatureStore()
        predicted = _predicted(model, device, folders, names, failures, store)
        remarks = store.notes
    else:
        with extract(args, model.description) as clips:
            store = FeatureStore(packed=False)  # a handful of files in a folder of their own
            predicted = _predicted(model, device, clips.folders, clips.names, clips.failures, store)
            notes, remarks, status = clips.notes, list(clips.remarks), clips.status
    files.write_predictions(output, folder, model.description, predicted, notes, args.explain)
    _report(output, model, predicted, notes, [*remarks, *_remarks(model, predicted)], args)
    return 1 if predicted.failures else status


def _check(args: argparse.Namespace, description: Mapping[str, Any]) -> None:
    """Refuse flags that this model cannot serve, before any work."""
    if args.explain and description["model"] not in ("attention", "attention_topn"):
        raise UserError(
            f"--explain: {description['model']} has no weights per modality, only attention and attention_topn have; "
            "leave the flag out"
        )
    faults = [f"{emotion!r}: {fault}" for emotion in description["emotions"] if (fault := emotion_fault(emotion))]
    if faults:
        raise UserError(f"the model has emotions whose names cannot be used: {'; '.join(faults)}, and train again")
    if args.top_k is not None and not description["emotions"]:
        raise UserError("--top_k: this model predicts valence only, which has no confidence; leave the flag out")


def _predicted(
    model: SavedModel,
    device: torch.device,
    folders: Sequence[Path],
    names: Sequence[str],
    failures: Mapping[str, str],
    store: FeatureStore,
) -> Predicted:
    """Predict what has features; `failures` of before are among those of the result."""
    predicted = nothing_predicted(model)
    if names:
        reader = SampleReader(model.description, folders, names, store)
        predicted = predict_samples(model, reader, names, device)
    return replace(predicted, failures={**failures, **predicted.failures})


def _remarks(model: SavedModel, predicted: Predicted) -> list[str]:
    """What a reader of the predictions should know about them."""
    remarks = []
    own = len(set(predicted.names) & set(model.description.get("train_names", ())))
    if own:
        remarks.append(f"{own} of {len(predicted.names)} are names of the model's own training samples: too good there")
    if model.description["model"] == "mctn" and model.description["hyper"].get("recurrence") != "time":
        remarks.append("mctn: a clip's prediction depends on the clips beside it (docs/training.md)")
    return remarks


def _report(
    output: Path,
    model: SavedModel,
    predicted: Predicted,
    notes: Mapping[str, Sequence[str]],
    remarks: Sequence[str],
    args: argparse.Namespace,
) -> None:
    description = model.description
    if predicted.names:
        print(prediction_table(description, predicted, args.explain))
        print()
    ensemble = f"{description['folds']} {description['model']} models, {files.ENSEMBLE}"
    print(f"{len(predicted.names)} predicted ({ensemble}), {len(predicted.failures)} failed -> {output}")
    for remark in remarks:
        print(f"  note: {remark}")
    clip_notes = [(name, text) for name, texts in notes.items() for text in texts]
    for line in [*listed(clip_notes, "note"), *listed(list(predicted.failures.items()), "failed")]:
        print(line)
    print(f"  {output / files.PREDICTIONS_CSV}\n  {output / files.PREDICTIONS_JSON}")
    if args.top_k is not None:
        path = output / files.PSEUDO_LABELS
        own = set(description.get("train_names", ())) & set(predicted.names)
        blank = predicted.blank - own
        count = files.write_pseudo_labels(path, description, predicted, args.top_k, args.per_class, own | blank)
        without = f"; {len(own)} training samples left out" if own else ""
        without += f"; {len(blank)} without a face, words or sound (zeros) left out" if blank else ""
        print(f"  {path}: {count} pseudo-labels{without}")
