"""Scores (SPEC 3): weighted F1 and accuracy of emotions, errors and correlations of valence, model selection."""

from __future__ import annotations

import numpy as np


def emotion_scores(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy and weighted F1 of the arg-max class; `logits` ``(N, C)``, `labels` ``(N,)`` int.

    Weighted F1 is the mean of the per-class F1 weighted by class support (scikit-learn's definition; a class that is
    neither true nor predicted counts 0).
    """
    from sklearn.metrics import accuracy_score, f1_score

    predictions = np.argmax(logits, axis=1)
    return {
        "acc": float(accuracy_score(labels, predictions)),
        "f1": float(f1_score(labels, predictions, average="weighted", zero_division=0)),
    }


def valence_mse(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Mean squared error of valence, both ``(N,)``."""
    difference = np.asarray(predictions, dtype=np.float64) - np.asarray(labels, dtype=np.float64)
    return float(np.mean(difference**2))


def binary_valence_scores(predictions: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy and weighted F1 of (valence > 0) over the samples whose true valence is not 0."""
    from sklearn.metrics import accuracy_score, f1_score

    kept = np.asarray(labels) != 0
    true, predicted = np.asarray(labels)[kept] > 0, np.asarray(predictions)[kept] > 0
    if not len(true):
        return {"acc": 0.0, "f1": 0.0}
    return {
        "acc": float(accuracy_score(true, predicted)),
        "f1": float(f1_score(true, predicted, average="weighted", zero_division=0)),
    }


def pearson(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Pearson correlation coefficient (PCC)."""
    return float(np.corrcoef(predictions, labels)[0, 1])


def concordance(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Concordance correlation coefficient: 2 cov / (var_p + var_l + (mean_p - mean_l)^2) (Lin, 1989)."""
    predictions, labels = np.asarray(predictions, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    covariance = np.mean((predictions - predictions.mean()) * (labels - labels.mean()))
    shift = predictions.mean() - labels.mean()
    return float(2 * covariance / (predictions.var() + labels.var() + shift**2))


def emoval(f1: float, mse: float) -> float:
    """MER2023's joint score: weighted F1 - 0.25 * valence MSE."""
    return f1 - 0.25 * mse


def selection_score(metric: str, scores: dict[str, float]) -> float:
    """The number a model is selected by, higher is better, from the scores of one evaluation.

    ``emo``: weighted F1; ``emoval``: weighted F1 - 0.25 * valence MSE; ``loss``: minus the loss.
    """
    if metric == "emo":
        return scores["f1"]
    if metric == "emoval":
        return emoval(scores["f1"], scores["mse"])
    if metric == "loss":
        return -scores["loss"]
    raise ValueError(f"unknown metric {metric!r}")
