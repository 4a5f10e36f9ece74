"""The parts of the page that look inside the best runs: learning curves, confusion matrix, modality weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from toolkit.report import charts, cvfile
from toolkit.report.cvfile import Unreadable
from toolkit.report.groups import Group, by_dataset
from toolkit.report.markup import DASH, esc, figure, note, problem, section, shown_hyper
from toolkit.report.runs import Run

MOST_CURVES = 4  # best runs per corpus with learning curves
ATTENTION_MODELS = ("attention", "attention_topn")


def learning_curves(groups: Sequence[Group]) -> str:
    """Validation f1 and training loss per epoch of the best runs."""
    parts = [
        note(
            "Mean over folds; the band is \u00b1 1 standard deviation. Small marks on the axis: the epoch that each "
            "fold kept, the one with the best score on the fold itself."
        )
    ]
    for dataset, members in by_dataset(groups).items():
        best = [group for group in members if group.best][:MOST_CURVES]
        parts.append(f"<h3>{esc(dataset)}: the best {len(best)} of {len(members)}</h3>" if best else "")
        for group in best:
            parts.append(f"<h4>{esc(_run_title(group, group.best))}</h4>{_curves(group.best)}")
    return section("curves", "Learning curves", *parts)


def _curves(run: Run) -> str:
    try:
        found = cvfile.curves(run)
    except Unreadable as error:
        return problem(f"No curves: {error}.")
    drawn = []
    best = [float(epoch) for epoch in found["best"] if math.isfinite(epoch)]
    for key, title, style in (("f1", "validation f1", "c1"), ("loss", "training loss", "c2")):
        if key in found:
            drawn.append(charts.curve(title, *cvfile.mean_band(found[key]), best, key, style))
        else:
            drawn.append(problem(f"The cv file has no {title} per epoch."))
    return f'<div class="charts pair">{"".join(drawn)}</div>'


def confusions(groups: Sequence[Group]) -> str:
    """Confusion matrix of each corpus' best run."""
    parts = [note("Out-of-fold predictions: every sample by the model that was not trained on it. Rows are true.")]
    for dataset, members in by_dataset(groups).items():
        run = members[0].best
        title = _run_title(members[0], run) if run else "no finished run"
        parts.append(f"<h3>{esc(dataset)}: {esc(title)}</h3>")
        if run is None:
            continue
        try:
            parts.append(_confusion(cvfile.confusion(run)))
        except Unreadable as error:
            parts.append(problem(f"No confusion matrix: {error}."))
    return section("confusion", "Confusion of the best run", *parts)


def _confusion(found: cvfile.Confusion) -> str:
    counts = found.counts
    rows, columns = counts.sum(axis=1), counts.sum(axis=0)
    head = "".join(f'<th scope="col">{esc(name)}</th>' for name in found.names)
    body = []
    for true, name in enumerate(found.names):
        cells = [
            _heat(f"{count}<small>{_share(count, rows[true])}</small>", count / max(rows[true], 1))
            for count in counts[true]
        ]
        body.append(f'<tr><th scope="row">{esc(name)}</th>{"".join(cells)}<td>{rows[true]}</td></tr>')
    precision = "".join(f"<td>{_share(counts[k, k], columns[k])}</td>" for k in range(len(columns)))
    scores = ", ".join(
        f"{name} {figure(found.scores[key])}" for key, name in (("f1", "weighted F1"), ("acc", "accuracy"))
    )
    caption = f"Counts and shares of the true class. All {counts.sum()} predictions pooled: {scores}."
    return (
        f'{note(caption)}<div class="scroll fit" tabindex="0" role="region" aria-label="confusion matrix">'
        f'<table class="heat"><thead><tr><th scope="col">true \\ predicted</th>{head}'
        f'<th scope="col">all</th></tr></thead><tbody>{"".join(body)}'
        f'<tr class="sum"><th scope="row">precision</th>{precision}<td></td></tr></tbody></table></div>'
    )


def modality_weights(groups: Sequence[Group]) -> str:
    """Mean attention weights per true class of each corpus' best attention model."""
    parts = []
    for dataset, members in by_dataset(groups).items():
        fitting = [group for group in members if group.model in ATTENTION_MODELS and group.best]
        fused = [group for group in fitting if len(group.example.features) != 1]
        if not fitting:
            continue
        group = (fused or fitting)[0]
        alone = "" if fused else " (unimodal: all inputs are the same feature)"
        parts.append(f"<h3>{esc(dataset)}: {esc(_run_title(group, group.best))}{alone}</h3>")
        try:
            parts.append(_weights(*cvfile.modality_weights(group.best)))
        except Unreadable as error:
            parts.append(problem(f"No weights: {error}."))
    if not parts:
        parts.append(problem("No run of attention or attention_topn in this report."))
    text = (
        "What the model multiplies each encoded input with: mean over the samples of a true class. The weights are not "
        "normalised and may be negative; encodings have no common scale, so a weight is a hint at how much an input "
        "counts, not a measure of it."
    )
    return section("weights", "Modality weights of the best attention model", note(text), *parts)


def _weights(rows: list[str], columns: list[str], means: np.ndarray, counts: np.ndarray) -> str:
    largest = float(np.nanmax(np.abs(means))) if np.isfinite(means).any() else 0.0
    head = "".join(f'<th scope="col">{esc(name)}</th>' for name in columns)
    body = ""
    for name, line, count in zip(rows, means, counts, strict=True):
        cells = "".join(_heat(figure(value, 3), value / largest if largest else 0.0) for value in line)
        body += f'<tr><th scope="row">{esc(name)}</th>{cells}<td>{count}</td></tr>'
    return (
        f'<div class="scroll fit" tabindex="0" role="region" aria-label="modality weights"><table class="heat">'
        f'<thead><tr><th scope="col">true</th>{head}<th scope="col">samples</th></tr></thead><tbody>{body}</tbody>'
        "</table></div>"
    )


def _heat(text: str, share: float) -> str:
    """A cell coloured by `share` in -1..1 (negative ones in the second colour)."""
    if not math.isfinite(share):
        return f"<td>{text}</td>"
    style = "h neg" if share < 0 else "h"
    return f'<td class="{style}" style="--s:{abs(share):.3f}">{text}</td>'


def _share(count: int, whole: int) -> str:
    return f"{100 * count / whole:.1f}%" if whole else DASH


def _run_title(group: Group, run: Run) -> str:
    return f"{group.label} \u00b7 {group.model} \u00b7 {shown_hyper(run.hyper)} \u00b7 seed {run.text('seed')}"
