"""What came out of a set of runs: a table, one merged leaderboard, the best run's submission and confusion matrix.

  python -m toolkit.train.summary --save_root ./saved --output ./summary

Cross-validation scores are shown as what they are: each fold's best epoch was chosen on that fold, and the best trial
is chosen by the same figure, so they are optimistic.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.data.features import display_name
from toolkit.train import leaderboard
from toolkit.utils import atomic
from toolkit.utils.errors import UserError, run_main
from toolkit.utils.metric import emotion_scores
from toolkit.utils.read_files import write_csv

KINDS = frozenset("cross noise multitop others unimodal bimodal trimodal".split())  # parts of a run folder's name
# Arguments that make runs different experiments, never trials of one search.
SETTINGS = (
    "train_snr test_snr snr_modalities fusion_topn fusion_modality epochs batch_size l2 debug extra_train"
).split()


def collect(save_root: str) -> list[dict[str, Any]]:
    """Rows of every ``<save_root>-*/leaderboard.csv``, each with its "folder"; sorted by f1, best first.

    Raises:
        UserError: there is none.
    """
    root = Path(save_root)
    rows = []
    for board in sorted(root.parent.glob(f"{root.name}-*/{leaderboard.FILE_NAME}")):
        if set(board.parent.name.removeprefix(f"{root.name}-").split("-")) <= KINDS:
            rows += [row | {"folder": board.parent} for row in leaderboard.read_ok(board.parent)]
    rows = list({(row["folder"], row["run_id"]): row for row in rows}.values())
    if not rows:
        raise UserError(f"no leaderboard below {root}-*; train first, or give the --save_root of the training")
    return sorted(
        rows, key=lambda row: (-float(row["f1"] or 0), bool(json.loads(row["args"]).get("test_snr")), row["run_id"])
    )


def best_of_each(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The best row of each combination of data, model and features; "trials" = the number of runs it is the best of."""
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for row in rows:
        if row["phase"] != "search":
            continue
        args = json.loads(row["args"])
        key = tuple(row[name] for name in ("dataset", "model", "feat_type", "features"))
        key += tuple(str(args.get(name)) for name in SETTINGS)
        groups.setdefault(key, []).append(row)
    return [group[0] | {"trials": len(group)} for group in groups.values()]


def feature_label(row: dict[str, Any]) -> str:
    """The distinct features of a run under their display names, and their condition when one was asked for."""
    label = " + ".join(dict.fromkeys(display_name(feature) for feature in json.loads(row["features"])))
    args = json.loads(row["args"])
    conditions = [
        f"{part} {args[key]}" for part, key in (("train", "train_snr"), ("test", "test_snr")) if args.get(key)
    ]
    return f"{label} ({', '.join(conditions)})" if conditions else label


def summarise(save_root: str, output: Path) -> dict[str, Path]:
    """Write the merged leaderboard, and the best run's submission and confusion matrix, into `output`."""
    rows = collect(save_root)
    output.mkdir(parents=True, exist_ok=True)
    best = best_of_each(rows)
    written = {"leaderboard": output / "leaderboard.csv"}
    names = (*leaderboard.COLUMNS, "folder")
    write_csv(written["leaderboard"], names, [[row.get(name, "") for name in names] for row in rows])
    files = {name: best[0]["folder"] / file for name, file in json.loads(best[0]["files"]).items()}
    for name, file in files.items():
        if name.endswith(" submission"):
            suffix = "" if name.startswith("test1 ") else "-" + name.split()[0]
            written[f"submission{suffix}"] = output / f"submission{suffix}.csv"
            with atomic.atomic_path(written[f"submission{suffix}"]) as part:
                shutil.copyfile(file, part)
    emotions = json.loads(best[0]["args"])["emotions"]
    if "cv" in files and emotions:
        written["confusion matrix"] = output / "confusion_matrix.png"
        draw_confusion(files["cv"], emotions, written["confusion matrix"])
    _print_table(best)
    print(f"\nbest run: {feature_label(best[0])}, seed {best[0]['seed']}, {best[0]['hyper']}")
    for name, path in written.items():
        print(f"  {name}: {path}")
    return written


def confusion(cv_file: Path, classes: int) -> tuple[np.ndarray, dict[str, float]]:
    """Counts ``(C, C)``, rows = true class, of a run's out-of-fold predictions, and their pooled scores."""
    with np.load(cv_file) as arrays:  # plain arrays only; the pickled args are never opened
        labels, logits = arrays["emo_labels"], arrays["emo_probs"]
    kept = np.isfinite(logits).all(axis=1)
    labels, logits = labels[kept], logits[kept]
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (labels, logits.argmax(axis=1)), 1)
    return counts, emotion_scores(logits, labels)


def draw_confusion(cv_file: Path, emotions: Sequence[str], path: Path) -> None:
    """A picture of the confusion matrix: counts, coloured by the share of each true class."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    counts, scores = confusion(cv_file, len(emotions))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for true in range(len(emotions)):
        for predicted in range(len(emotions)):
            color = "white" if shares[true, predicted] > 0.5 else "black"
            axes.text(predicted, true, counts[true, predicted], ha="center", va="center", color=color)
    axes.set_xticks(range(len(emotions)), emotions, rotation=45, ha="right")
    axes.set_yticks(range(len(emotions)), emotions)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    figures = f"weighted F1 {scores['f1']:.3f}, accuracy {scores['acc']:.3f}"
    axes.set_title(f"out-of-fold predictions: {figures}", fontsize=10)
    figure.colorbar(image, label="share of the true class")
    FigureCanvasAgg(figure)
    atomic.write_with(path, lambda file: figure.savefig(file, format="png", dpi=120))


def _print_table(rows: Sequence[dict[str, Any]]) -> None:
    table = [("FEATURES", "MODEL", "TYPE", "TRIALS", "CV F1 (folds: mean +- std)", "CV ACC")]
    for row in rows:
        folds = np.array(json.loads(row["fold_f1"]))
        f1 = f"{float(row['f1']):.4f} +- {folds.std():.4f}" if row["f1"] else "-"
        acc = f"{float(row['acc']):.4f}" if row["acc"] else "-"
        table.append((feature_label(row), row["model"], row["feat_type"], str(row["trials"]), f1, acc))
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--save_root", default="./saved", help="the --save_root of the training (default ./saved)")
    parser.add_argument("--output", type=Path, default=Path("summary"), help="folder to write (default ./summary)")
    args = parser.parse_args(argv)
    try:
        summarise(args.save_root, args.output)
    except csv.Error as error:
        raise UserError(f"a leaderboard below {args.save_root}-* is damaged ({error})") from error
    return 0


if __name__ == "__main__":
    run_main(main)
