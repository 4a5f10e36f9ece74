"""What scoring shows: the baseline's three lines, a table, a csv with a row per sample, a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from toolkit.openset.bootstrap import interval, resampled_means
from toolkit.openset.grouping import Grouping, names_of
from toolkit.openset.samples import Samples
from toolkit.openset.scoring import SampleScore, Score
from toolkit.utils import atomic
from toolkit.utils.read_files import write_csv

SAMPLES_CSV, PICTURE = "samples.csv", "scores.png"
COLUMNS = ("name", "gt", "pred", "groups", "hits", "accuracy", "recall", "obtained")


def join_lines(samples: Samples) -> list[str]:
    """How the two csvs match up; nothing to say when they do."""
    lines = []
    if samples.missing:
        lines.append(f"{len(samples.missing)} samples have no prediction and score 0: {names_of(samples.missing)}")
    if samples.extra:
        lines.append(f"{len(samples.extra)} predictions have no true labels, not scored: {names_of(samples.extra)}")
    if samples.empty_gt:
        lines.append(
            f"{len(samples.empty_gt)} samples have an empty true list, not scored: {names_of(samples.empty_gt)}"
        )
    return lines


def score_lines(accuracy: float, recall: float, average: float, count: int) -> list[str]:
    """The lines that the baseline prints."""
    return [
        f"process number (after filter):  {count}",
        f"set level accuracy: {accuracy}; recall: {recall}",
        f"avg score: {average}",
    ]


def repeat_lines(scores: Sequence[Score]) -> list[str]:
    """A line per pass, and mean and standard deviation (of the passes) of the three figures."""
    lines = [
        f"pass {number}: accuracy {score.accuracy}; recall {score.recall}; avg score {score.average}"
        for number, score in enumerate(scores, 1)
    ]
    spread = ", ".join(
        f"{key} {np.mean(values):.6f} +- {np.std(values, ddof=1):.6f}"
        for key in ("accuracy", "recall", "average")
        for values in [[getattr(score, key) for score in scores]]
    )
    return [*lines, f"mean +- std of {len(scores)} passes: {spread}"]


def table_lines(samples: Sequence[SampleScore], resamples: int = 2000, seed: int = 0) -> list[str]:
    """The figures with their 95% intervals over samples, and how many samples score nothing and everything."""
    values = np.array([(s.accuracy, s.recall, (s.accuracy + s.recall) / 2) for s in samples])
    draws = resampled_means(values, resamples, seed)
    lines = [f"{'figure':<10} {'value':>8}  95% interval     at 0     at 1"]
    for column, name in enumerate(("accuracy", "recall", "avg score")):
        found = interval(values[:, column].mean(), draws[:, column])
        at_0, at_1 = (values[:, column] == 0).mean(), (values[:, column] == 1).mean()
        lines.append(f"{name:<10} {found.mean:8.4f}  {found.low:.4f}..{found.high:.4f}  {at_0:6.1%}  {at_1:7.1%}")
    return lines


def write_samples(
    folder: Path, samples: Samples, scores: Sequence[SampleScore], grouping: Grouping, file: str = SAMPLES_CSV
) -> None:
    """One row per sample of the true csv; lists are json, a sample without groups has no score."""
    by_name = {score.name: score for score in scores}
    rows = []
    for name in samples.gt:
        score, groups = by_name.get(name), grouping.groups.get(name)
        figures = (_json(score.hits), score.accuracy, score.recall) if score else ("", "", "")
        obtained = grouping.obtained.get(name) or grouping.failures.get(name, "")
        both = (_json(samples.gt[name]), _json(samples.pred[name]))
        rows.append((name, *both, "" if groups is None else _json(groups), *figures, obtained))
    folder.mkdir(parents=True, exist_ok=True)
    atomic.remove_orphans(folder)  # of a run that was killed while it wrote here
    write_csv(folder / file, COLUMNS, rows)


def _json(value: Sequence | Mapping) -> str:
    return json.dumps(value, ensure_ascii=False)


def draw_scores(folder: Path, scores: Sequence[SampleScore], title: str) -> None:
    """Histograms of accuracy, recall and their mean over the samples."""
    from matplotlib.figure import Figure  # not pyplot: no display and no global state is touched

    accuracy = np.array([score.accuracy for score in scores])
    recall = np.array([score.recall for score in scores])
    figure = Figure(figsize=(9, 2.8), dpi=110, layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    for axis, name, values in zip(
        axes, ("accuracy", "recall", "average"), (accuracy, recall, (accuracy + recall) / 2), strict=True
    ):
        axis.hist(values, bins=np.linspace(-0.025, 1.025, 22), color="#5b7db1", edgecolor="white", linewidth=0.4)
        axis.axvline(values.mean(), color="#b1452c", linewidth=1.5)
        axis.set_title(f"{name}: mean {values.mean():.4f}", fontsize=10)
        axis.set_xlabel("score of a sample", fontsize=9)
        axis.set_xlim(-0.03, 1.03)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("samples", fontsize=9)
    figure.suptitle(f"{len(scores)} samples, {title}", fontsize=10)
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_with(folder / PICTURE, lambda file: figure.savefig(file, format="png"))
