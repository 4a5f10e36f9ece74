"""What a prediction leaves: ``predictions.csv``, ``predictions.json``, ``failures.csv``, ``pseudo-labels.csv``."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from toolkit.data.dataset import INPUT_KEYS
from toolkit.predict.ensemble import Predicted
from toolkit.utils import atomic
from toolkit.utils.errors import UserError
from toolkit.utils.failures import COLUMNS, FAILURES_FILE
from toolkit.utils.read_files import write_csv

PREDICTIONS_CSV, PREDICTIONS_JSON, PSEUDO_LABELS = "predictions.csv", "predictions.json", "pseudo-labels.csv"
DIGITS = 6  # of numbers in the csv files
_MODALITY_OF_KEY = dict(zip(INPUT_KEYS, ("audio", "text", "video"), strict=True))
ENSEMBLE = "mean of the folds' logits, then softmax"


def weight_columns(description: Mapping[str, Any]) -> list[str]:
    """Names of the modality weights: ``weight_audio`` ..., or by feature for top-n fusion."""
    names = zip(description["keys"], description["features"], strict=True)
    columns = [f"weight_{_MODALITY_OF_KEY.get(key, feature)}" for key, feature in names]
    if len(set(columns)) < len(columns):  # top-n fusion of two modalities has one of them twice
        return [f"{column}_{key}" for column, key in zip(columns, description["keys"], strict=True)]
    return columns


def prepare_output(folder: Path) -> None:
    """Create the output folder, before any work.

    Raises:
        UserError: it cannot be created or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        atomic.remove_orphans(folder)
        probe = atomic.part_path(folder / "writable")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"--output {folder}: cannot be written ({error.strerror}); choose another") from error


def write_predictions(
    folder: Path,
    model: Path,
    description: Mapping[str, Any],
    predicted: Predicted,
    notes: Mapping[str, Sequence[str]],
    explain: bool,
) -> None:
    """Write ``predictions.csv``, ``predictions.json`` and ``failures.csv`` (removed when nothing failed).

    Pseudo-labels of an earlier call are removed: they do not belong to these predictions.
    """
    (folder / PSEUDO_LABELS).unlink(missing_ok=True)
    emotions = description["emotions"]
    columns = ["name", *(["discrete", *emotions] if emotions else [])]
    columns += ["valence"] if description["outputs"][1] else []
    columns += weight_columns(description) if explain else []
    write_csv(folder / PREDICTIONS_CSV, columns, _rows(description, predicted, explain))
    pieces = _json(model, description, predicted, notes, explain)
    atomic.write_with(
        folder / PREDICTIONS_JSON, lambda file: file.writelines(piece.encode("utf-8") for piece in pieces)
    )
    if predicted.failures:
        write_csv(folder / FAILURES_FILE, COLUMNS, predicted.failures.items())
    else:
        (folder / FAILURES_FILE).unlink(missing_ok=True)


def _rows(description: Mapping[str, Any], predicted: Predicted, explain: bool):
    emotions, outputs = description["emotions"], predicted.outputs
    probabilities, best = predicted.probabilities, _best(predicted)
    for number, name in enumerate(predicted.names):
        row = [name, emotions[best[number]]] if emotions else [name]
        values = [*probabilities[number], *outputs.vals[number]]
        values += [*outputs.attention[number]] if explain else []
        yield row + [f"{value:.{DIGITS}f}" for value in values]


def _best(predicted: Predicted):
    """The class of the largest logit per sample, as in the submission of a training run."""
    return predicted.outputs.emos.argmax(axis=1) if predicted.outputs.emos.shape[1] else []


def _json(
    model: Path,
    description: Mapping[str, Any],
    predicted: Predicted,
    notes: Mapping[str, Sequence[str]],
    explain: bool,
) -> Iterator[str]:
    """The file in pieces, a line per clip: large files can be read with plain tools, too."""
    head = {
        "model": str(model),
        "fusion": description["model"],
        "features": description["features"],
        "emotions": description["emotions"],
        "folds": description["folds"],
        "ensemble": ENSEMBLE,
    }
    failed = ({"name": name, "reason": reason} for name, reason in predicted.failures.items())
    yield _dumped(head)[:-1] + ',\n"clips": ['
    yield from _lines(_clips(description, predicted, notes, explain))
    yield '],\n"failed": ['
    yield from _lines(failed)
    yield "]}\n"


def _clips(
    description: Mapping[str, Any], predicted: Predicted, notes: Mapping[str, Sequence[str]], explain: bool
) -> Iterator[dict[str, Any]]:
    emotions, outputs = description["emotions"], predicted.outputs
    probabilities, best, weights = predicted.probabilities, _best(predicted), weight_columns(description)
    for number, name in enumerate(predicted.names):
        clip: dict[str, Any] = {"name": name}
        if emotions:
            clip["discrete"] = emotions[best[number]]
            clip["probabilities"] = _named(emotions, probabilities[number])
            clip["logits"] = _named(emotions, outputs.emos[number])
        if description["outputs"][1]:
            clip["valence"] = float(outputs.vals[number, 0])
        if explain:
            clip["weights"] = _named([column.removeprefix("weight_") for column in weights], outputs.attention[number])
        if notes.get(name):
            clip["notes"] = list(notes[name])
        yield clip


def _named(keys: Sequence[str], values) -> dict[str, float]:
    return {key: float(value) for key, value in zip(keys, values, strict=True)}


def _lines(entries: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for number, entry in enumerate(entries):
        yield ("," if number else "") + "\n" + _dumped(entry)


def _dumped(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False)


def write_pseudo_labels(
    path: Path, description: Mapping[str, Any], predicted: Predicted, k: int, per_class: bool, left_out: Collection[str]
) -> int:
    """Write ``name,discrete,confidence`` (and ``valence``) of the `k` most confident samples; returns how many.

    Confidence is the probability of the predicted emotion, to 6 digits. Most confident first, ties by name; with
    `per_class` the `k` most confident of every predicted emotion. Samples `left_out` (the model's own training
    samples, those without a modality) do not take part.
    """
    emotions, probabilities, best = description["emotions"], predicted.probabilities, _best(predicted)
    valued = bool(description["outputs"][1])
    ranked = []
    for number, name in enumerate(predicted.names):
        if name not in left_out:
            ranked.append((round(-float(probabilities[number, best[number]]), DIGITS), name, number))
    chosen, counts = [], defaultdict(int)
    for confidence, name, number in sorted(ranked):
        group = best[number] if per_class else None
        counts[group] += 1
        if counts[group] <= k:
            valence = [f"{predicted.outputs.vals[number, 0]:.{DIGITS}f}"] if valued else []
            chosen.append([name, emotions[best[number]], f"{-confidence:.{DIGITS}f}", *valence])
    write_csv(path, ["name", "discrete", "confidence", *(["valence"] if valued else [])], chosen)
    return len(chosen)
