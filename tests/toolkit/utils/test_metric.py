"""Scores against the reference's table and against a slow independent version."""

import json
from pathlib import Path

import numpy as np
import pytest

from toolkit.utils import metric

TABLES = json.loads((Path(__file__).resolve().parents[2] / "golden" / "functions.json").read_text())


def test_emotion_scores_equal_the_reference():
    table = TABLES["emotion_metrics"]
    found = metric.emotion_scores(np.array(table["probs"]), np.array(table["labels"]))
    assert found["acc"] == pytest.approx(table["acc"], abs=1e-12)
    assert found["f1"] == pytest.approx(table["weighted_f1"], abs=1e-12)


def test_valence_scores_equal_the_reference():
    table = TABLES["valence_metrics"]
    labels, preds = np.array(table["labels"]), np.array(table["preds"])
    binary = metric.binary_valence_scores(preds, labels)
    assert metric.valence_mse(preds, labels) == pytest.approx(table["mse"], abs=1e-9)
    assert binary["acc"] == pytest.approx(table["binary_acc"], abs=1e-12)
    assert binary["f1"] == pytest.approx(table["binary_weighted_f1"], abs=1e-12)
    assert metric.pearson(preds, labels) == pytest.approx(table["pcc"], abs=1e-9)
    assert metric.concordance(preds, labels) == pytest.approx(table["ccc"], abs=1e-9)
    assert metric.emoval(0.8, 0.6) == pytest.approx(0.65, abs=1e-12)  # the table's worked example


def _slow_weighted_f1(labels, predictions):
    total = 0.0
    for emotion in set(labels):
        hits = sum(t == p == emotion for t, p in zip(labels, predictions, strict=True))
        precision = hits / max(1, sum(p == emotion for p in predictions))
        recall = hits / sum(t == emotion for t in labels)
        f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
        total += f1 * sum(t == emotion for t in labels) / len(labels)
    return total


def test_weighted_f1_equals_a_slow_version():
    generator = np.random.default_rng(3)
    for size in (1, 7, 60):
        labels, logits = generator.integers(6, size=size), generator.normal(size=(size, 6))
        expected = _slow_weighted_f1(labels.tolist(), logits.argmax(1).tolist())
        assert metric.emotion_scores(logits, labels)["f1"] == pytest.approx(expected, abs=1e-12)


def test_selection_scores():
    scores = {"f1": 0.5, "acc": 0.6, "mse": 2.0, "loss": 1.25}
    assert metric.selection_score("emo", scores) == 0.5
    assert metric.selection_score("emoval", scores) == 0.0
    assert metric.selection_score("loss", scores) == -1.25
    with pytest.raises(ValueError, match="unknown metric 'f2'"):
        metric.selection_score("f2", scores)
