"""Tables of corpora whose test labels are known: a column per test set, equal to scores computed by hand."""

import csv
import json
import statistics

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from toolkit.data.labels import write_labels
from toolkit.dataloader.corpora import CORPORA
from toolkit.globals import corpus_paths
from toolkit.train import leaderboard, tables

COUNTS = {"train_corpus": 40, "val_corpus": 12, "test_corpus": 15}
FEATURES = {"wavlm-base-UTT": 5}


def _make(root, dataset):
    """Label file and a feature of `dataset`; every 5th true valence is 0, which binary scores leave out."""
    paths, emotions = corpus_paths(dataset, root), len(CORPORA[dataset].emotions)
    generator = np.random.default_rng(3)
    labels = {}
    for key, count in COUNTS.items():
        names = [f"{key}_{number}" for number in range(count)]
        valences = [0.0 if number % 5 == 0 else float(generator.normal()) for number in range(count)]
        emos = [number % max(emotions, 1) for number in range(count)]
        labels[key] = {name: {"emo": emo, "val": val} for name, emo, val in zip(names, emos, valences, strict=True)}
        for feature, width in FEATURES.items():
            (paths.features / feature).mkdir(parents=True, exist_ok=True)
            for name, emo, val in zip(names, emos, valences, strict=True):
                row = generator.normal(size=width) + (emo if emotions else 2 * val) * np.arange(width)
                np.save(paths.features / feature / f"{name}.npy", row.astype(np.float32))
    write_labels(paths.label, labels)
    (root / "small.yaml").write_text("hidden_dim: 8\nlr: 0.01\n")


def _scores(file, valence):
    with np.load(file) as arrays:
        if not valence:
            truth, predicted = arrays["emo_labels"], arrays["emo_probs"].argmax(1)
            mse = None
        else:
            kept = arrays["val_labels"] != 0
            truth, predicted = arrays["val_labels"][kept] > 0, arrays["val_preds"][kept, 0] > 0
            mse = np.mean((arrays["val_preds"][:, 0] - arrays["val_labels"]) ** 2)
        f1 = f1_score(truth, predicted, average="weighted", zero_division=0)
        return {"f1": f1, "acc": accuracy_score(truth, predicted), "mse": mse}


@pytest.mark.parametrize("dataset", ["MELD", "CMUMOSI"])
def test_a_column_per_test_set(dataset, tmp_path, capsys):
    _make(tmp_path, dataset)
    command = ["unimodal", "--dataset", dataset, "--data_root", str(tmp_path), "--save_root", str(tmp_path / "saved")]
    command += ["--trials=1", "--repeat_best=2", "--gpu=-1", "--no_report", "--epochs=2", "--batch_size=20"]
    assert tables.main([*command, f"--hyper_path={tmp_path / 'small.yaml'}"]) == 0
    with open(tmp_path / f"saved-tables/unimodal-{dataset}.csv", encoding="utf-8", newline="") as file:
        rows = {row["feature"]: row for row in csv.DictReader(file)}
    assert rows.keys() == FEATURES.keys()
    keys = ("f1", "acc", "mse") if dataset == "CMUMOSI" else ("f1", "acc")
    board = leaderboard.read(tmp_path / "saved-unimodal")
    for feature, row in rows.items():
        runs = [run for run in board if run["audio"] == feature and run["phase"] == "repeat"]
        tested = [
            _scores(tmp_path / "saved-unimodal" / json.loads(run["files"])["test1"], dataset == "CMUMOSI")
            for run in runs
        ]
        assert len(tested) == 2
        for key in keys:
            values = [float(run[key]) for run in runs]
            assert float(row[f"{key}_mean"]) == pytest.approx(statistics.mean(values), abs=1e-6)
            values = [float(scores[key]) for scores in tested]
            assert float(row[f"test1_{key}_mean"]) == pytest.approx(statistics.mean(values), abs=1e-5)
            assert float(row[f"test1_{key}_std"]) == pytest.approx(statistics.pstdev(values), abs=1e-5)
    assert ("test1_mse_mean" in row) == ("mse_mean" in row) == (dataset == "CMUMOSI")
    assert "TEST1 F1" in capsys.readouterr().out
    page = (tmp_path / f"saved-tables/unimodal-{dataset}.md").read_text(encoding="utf-8")
    assert "those of the validation set" in page and "are hidden" not in page
    assert ("(valence > 0)" in page) == (dataset == "CMUMOSI")
