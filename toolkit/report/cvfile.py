"""What a run's cv file says: learning curves, confusion counts, modality weights. Plain arrays only, never a pickle."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass

import numpy as np

from toolkit.report.runs import Run, shown_name
from toolkit.utils.metric import binary_valence_scores, emotion_scores


class Unreadable(Exception):
    """A figure cannot be drawn; the message says why, for the page."""


@dataclass(frozen=True)
class Confusion:
    """Counts ``(C, C)``, rows = true class, of out-of-fold predictions, and the scores of all of them pooled."""

    names: list[str]
    counts: np.ndarray
    scores: dict[str, float]


def read_arrays(run: Run, names: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Numeric arrays of the run's cv file.

    Raises:
        Unreadable: no file, a damaged one, or one of `names` not in it.
    """
    path = run.file("cv")
    if path is None:
        raise Unreadable("the leaderboard names no cv file for this run")
    try:
        with np.load(path, allow_pickle=False) as file:
            wanted = [name for name in (*names, *optional) if name in file.files]
            arrays = {name: file[name] for name in wanted}
    except FileNotFoundError:
        raise Unreadable(f"{path.name} is not there any more") from None
    except (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise Unreadable(
            f"{path.name} cannot be read ({' '.join(str(error).split()) or type(error).__name__})"
        ) from error
    missing = [name for name in names if name not in arrays]
    if missing:
        raise Unreadable(f"{path.name} has no {', '.join(missing)}")
    odd = [name for name, array in arrays.items() if array.dtype.kind not in "fiub"]
    if odd:
        raise Unreadable(f"{path.name}: {', '.join(odd)} does not hold numbers")
    return arrays


def curves(run: Run) -> dict[str, np.ndarray]:
    """ "f1" and "loss" (training) per epoch, each ``(folds, epochs)``; those that are there. "best": ``(folds,)``.

    Raises:
        Unreadable: neither curve is there.
    """
    arrays = read_arrays(run, (), ("curve_f1", "curve_train_loss", "best_epochs"))
    keys = {"curve_f1": "f1", "curve_train_loss": "loss"}
    found = {
        keys[name]: np.asarray(array, dtype=np.float64)
        for name, array in arrays.items()
        if name in keys and array.ndim == 2 and np.isfinite(array).any()
    }
    if not found:
        raise Unreadable("the cv file holds no learning curves (trained before they were recorded)")
    return found | {"best": arrays["best_epochs"].reshape(-1) if "best_epochs" in arrays else np.zeros(0)}


def mean_band(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and population standard deviation over folds per epoch; NaN where no fold has a value."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    filled = np.where(known, values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=0) / count
        spread = np.sqrt((np.where(known, values - mean, 0.0) ** 2).sum(axis=0) / count)
    return mean, spread


def confusion(run: Run) -> Confusion:
    """Confusion of the emotions, or of the sign of the valence on a corpus without emotions.

    Raises:
        Unreadable: nothing to count.
    """
    arrays = read_arrays(run, ("emo_labels", "emo_probs"), ("val_labels", "val_preds"))
    logits = arrays["emo_probs"]
    if logits.ndim == 2 and logits.shape[1] > 0:
        labels = arrays["emo_labels"].reshape(-1)
        if len(labels) != len(logits):
            raise Unreadable(f"{len(labels)} labels for {len(logits)} predictions")
        kept = np.isfinite(logits).all(axis=1) & (labels >= 0) & (labels < logits.shape[1])
        logits, labels = logits[kept], labels[kept].astype(np.int64)
        names = emotion_names(run, logits.shape[1])
        return _counted(names, labels, logits.argmax(axis=1), lambda: emotion_scores(logits, labels))
    if "val_labels" not in arrays or "val_preds" not in arrays:
        raise Unreadable("the cv file holds neither emotions nor valences")
    true, predicted = _valences(arrays)
    signs = [(values[true != 0] > 0).astype(np.int64) for values in (true, predicted)]
    names = ["valence \u2264 0", "valence > 0"]
    return _counted(names, *signs, lambda: binary_valence_scores(predicted, true))


def modality_weights(run: Run) -> tuple[list[str], list[str], np.ndarray, np.ndarray]:
    """Row names (true classes, then "all"), input names, mean weights ``(rows, inputs)``, samples per row.

    Raises:
        Unreadable: the file has none.
    """
    arrays = read_arrays(run, ("modality_weights", "emo_labels"), ("emo_probs", "val_labels"))
    weights = arrays["modality_weights"]
    if weights.ndim != 2 or not weights.shape[1]:
        raise Unreadable(f"modality_weights has the shape {weights.shape}")
    weights = weights.astype(np.float64)
    classes = arrays["emo_probs"].shape[-1] if "emo_probs" in arrays else 0
    if classes:
        names, labels = emotion_names(run, classes), arrays["emo_labels"].reshape(-1)
    else:
        names = ["valence < 0", "valence = 0", "valence > 0"]
        labels = np.sign(arrays.get("val_labels", np.zeros(len(weights)))).reshape(-1) + 1
    if len(labels) != len(weights):
        raise Unreadable(f"{len(labels)} labels for {len(weights)} rows of weights")
    finite = np.isfinite(weights).all(axis=1)
    members = [finite & (labels == index) for index in range(len(names))] + [finite]
    counts = np.array([rows.sum() for rows in members])
    means = np.array(
        [weights[rows].mean(axis=0) if rows.any() else np.full(weights.shape[1], np.nan) for rows in members]
    )
    return [*names, "all"], _input_names(run, weights.shape[1]), means, counts


def emotion_names(run: Run, classes: int) -> list[str]:
    """The corpus' label set when it has that many classes, else numbers."""
    saved = run.args.get("emotions")
    if isinstance(saved, list) and len(saved) == classes:
        return [str(emotion) for emotion in saved]
    if run.corpus is not None and len(run.corpus.emotions) == classes:
        return list(run.corpus.emotions)
    return [f"class {index}" for index in range(classes)]


def _input_names(run: Run, count: int) -> list[str]:
    if len(run.inputs) == count:
        return [f"{modality}: {shown_name(name)}" if modality else shown_name(name) for modality, name in run.inputs]
    return [f"input {index + 1}" for index in range(count)]


def _valences(arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    true, predicted = (np.asarray(arrays[name], dtype=np.float64).reshape(-1) for name in ("val_labels", "val_preds"))
    if len(true) != len(predicted):
        raise Unreadable(f"{len(true)} valences for {len(predicted)} predictions")
    kept = np.isfinite(true) & np.isfinite(predicted)
    return true[kept], predicted[kept]


def _counted(names, true, predicted, scores) -> Confusion:
    if not len(true):
        raise Unreadable("no sample has an out-of-fold prediction")
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(counts, (true, predicted), 1)
    return Confusion(names, counts, scores())
