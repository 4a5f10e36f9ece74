"""The parts of the page that are drawn from the leaderboard: comparison of features, score against hyper-parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit.report import charts
from toolkit.report.groups import Group, by_dataset, mean_std, split
from toolkit.report.markup import esc, figure, note, problem, section, shown_value
from toolkit.report.runs import Run, as_number

MOST_BARS = 40  # feature sets per corpus in the comparison
MOST_VALUES = 8  # a hyper-parameter with more values is cut into five parts of equal size


def comparison(groups: Sequence[Group]) -> str:
    """Bars of the best f1 of every experiment, unimodal and fused apart by colour."""
    parts = []
    width = max(len(_bar_label(group, True)) for group in groups)
    for dataset, members in by_dataset(groups).items():
        scored = [group for group in members if group.best and math.isfinite(group.best.f1)]
        scored.sort(key=lambda group: -group.best.f1)
        if not scored:
            parts.append(f"<h3>{esc(dataset)}</h3>{problem('No run has an f1.')}")
            continue
        spreads = [mean_std(group.best.fold_f1)[1] for group in scored]
        tops = [
            group.best.f1 + (spread if math.isfinite(spread) else 0)
            for group, spread in zip(scored, spreads, strict=True)
        ]
        top = min(1.0, max(math.ceil(max(tops) * 10 + 1e-9) / 10, 0.1))
        several = len({group.model for group in scored}) > 1
        bars = [_bar(group, spread, top, several) for group, spread in zip(scored, spreads, strict=True)][:MOST_BARS]
        cut = f" The best {MOST_BARS} of {len(scored)} are drawn." if len(scored) > MOST_BARS else ""
        title = (
            f"Best f1 per feature set; bars start at 0 and end at {top:g}, whiskers are \u00b1 1 std over folds.{cut}"
        )
        keys = "".join(
            f'<span><i class="key {_style(kind)}"></i>{esc(kind)}</span>'
            for kind in dict.fromkeys(group.kind for group in scored[:MOST_BARS])
            if kind
        )
        parts.append(
            f'<h3>{esc(dataset)}</h3>{note(title)}<p class="keys">{keys}</p>'
            f'<div class="bars" style="--label:{width}ch">{"".join(bars)}</div>'
        )
    return section("comparison", "Unimodal and fused", *parts)


def _bar(group: Group, spread: float, top: float, with_model: bool) -> str:
    label = _bar_label(group, with_model)
    whisker = f"<small> \u00b1 {figure(spread)}</small>" if math.isfinite(spread) else ""
    return (
        f"<div><span>{esc(label)}</span>{charts.bar(group.best.f1, spread, top, _style(group.kind))}"
        f"<b>{figure(group.best.f1)}{whisker}</b></div>\n"
    )


def _bar_label(group: Group, with_model: bool) -> str:
    return f"{group.label} \u00b7 {group.model}" if with_model else group.label


def _style(kind: str) -> str:
    return {"unimodal": "c1", "bimodal": "c2", "trimodal": "c3"}.get(kind, "c4")


def hyper_parameters(groups: Sequence[Group]) -> str:
    """f1 against every hyper-parameter that varies, per corpus and model."""
    parts = [
        note(
            "Dots are runs of the search, the box is their middle half, its line the median. With several feature "
            "sets, each run is shown relative to the mean of its own features, so that good and bad features do not "
            "hide what a hyper-parameter does; the other view shows plain f1. Hyper-parameters were varied together: "
            "a difference here is no proof of a cause."
        )
    ]
    for number, ((dataset, model), members) in enumerate(split(groups, lambda g: (g.dataset, g.model)).items()):
        runs = [
            (run, run.f1, run.f1 - group.f1.mean())
            for group in members
            for run in group.search
            if math.isfinite(run.f1)
        ]
        names = _varying([run for run, _, _ in runs])
        heading = f"<h3>{esc(model)}, {esc(dataset)}</h3>"
        if not names:
            parts.append(heading + problem("No hyper-parameter takes more than one value in runs with an f1."))
            continue
        plain = "".join(charts.strips(name, _strips(name, runs, 1), "f1") for name in names)
        if len(members) == 1:
            parts.append(f'{heading}<div class="charts">{plain}</div>')
            continue
        inside = "".join(
            charts.strips(name, _strips(name, runs, 2), "f1 \u2212 features' mean", True) for name in names
        )
        parts.append(heading + _two_views(f"v{number}", inside, plain))
    return section("hyper", "Score against hyper-parameters", *parts)


def _two_views(name: str, first: str, second: str) -> str:
    """Two views with a switch that needs no script."""
    return (
        f'<div class="views"><label><input type="radio" name="{name}" class="first" checked> within features</label>'
        f'<label><input type="radio" name="{name}" class="second"> plain f1</label>'
        f'<div class="charts first">{first}</div><div class="charts second">{second}</div></div>'
    )


def _varying(runs: Sequence[Run]) -> list[str]:
    values: dict[str, set[str]] = {}
    for run in runs:
        for key, value in run.hyper.items():
            values.setdefault(key, set()).add(shown_value(value))
    return sorted(key for key, seen in values.items() if len(seen) > 1)


def _strips(name: str, runs: Sequence[tuple], column: int) -> list[tuple[str, np.ndarray]]:
    """(label, scores) per value of hyper-parameter `name`, values in order."""
    having = sorted((entry for entry in runs if name in entry[0].hyper), key=lambda entry: _order(entry[0].hyper[name]))
    parts = split(having, lambda entry: shown_value(entry[0].hyper[name]))
    if len(parts) > MOST_VALUES:
        chunks = [chunk for chunk in np.array_split(np.arange(len(having)), 5) if len(chunk)]
        parts = {}
        for chunk in chunks:
            ends = [shown_value(having[index][0].hyper[name])[:6] for index in (chunk[0], chunk[-1])]
            parts.setdefault("\u2026".join(ends), []).extend(having[index] for index in chunk)
    return [(label, np.array([entry[column] for entry in entries])) for label, entries in parts.items()]


def _order(value: Any) -> tuple:
    number = as_number(value)
    return (0, number, "") if math.isfinite(number) else (1, 0.0, str(value))
