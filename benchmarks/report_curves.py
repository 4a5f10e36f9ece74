"""Scaling curves out of the benchmarks' output, as a table and as small pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report_run import Outcome
from toolkit.utils import atomic


@dataclass(frozen=True)
class Curve:
    """Points of one benchmark: lines ``<count> <unit>: <figure>``."""

    unit: str
    source: str
    figure: str
    flat: bool = True  # a cost per unit, which should not grow; else a rate

    def points(self, output: str) -> list[tuple[int, float]]:
        found = re.findall(rf"^ +(\d+) {self.unit}: +([\d.]+)$", output, re.MULTILINE)
        return [(int(count), float(value)) for count, value in found]


CURVES = (
    Curve("samples", "scaling", "µs per fold-epoch and sample"),
    Curve("epochs", "scaling", "µs per fold-epoch and sample"),
    Curve("trials", "scaling", "µs per fold-epoch and sample"),
    Curve("features", "curves", "µs per fold-epoch, sample and feature"),
    Curve("workers", "curves", "clips a second", flat=False),
)


def table(outcomes: Mapping[str, Outcome]) -> list[str]:
    """Lines of markdown: one row per curve."""
    lines = ["| growing | figure | values | last against first |", "|---|---|---|---|"]
    for curve in CURVES:
        points = _points(curve, outcomes)
        if points:
            shown = ", ".join(f"{count}: {value:g}" for count, value in points)
            ratio = points[-1][1] / points[0][1]
            lines.append(f"| {curve.unit} | {curve.figure} | {shown} | {ratio:.2f} |")
        else:
            lines.append(f"| {curve.unit} | {curve.figure} | not measured | |")
    return lines


def draw(outcomes: Mapping[str, Outcome], folder: Path, mode: str) -> list[Path]:
    """One picture per curve that was measured."""
    drawn = []
    for curve in CURVES:
        points = _points(curve, outcomes)
        if points:
            drawn.append(_draw(curve, points, folder / f"{mode}-{curve.unit}.png"))
    return drawn


def _points(curve: Curve, outcomes: Mapping[str, Outcome]) -> list[tuple[int, float]]:
    outcome = outcomes.get(curve.source)
    return curve.points(outcome.output) if outcome is not None else []


def _draw(curve: Curve, points: list[tuple[int, float]], path: Path) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 2.8), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    counts, values = zip(*points, strict=True)
    axis.plot(counts, values, "o-")
    axis.set_xticks(counts, [f"{count:,}" for count in counts])
    axis.set_ylim(0, 1.15 * max(values))
    axis.set_xlabel(curve.unit)
    axis.set_ylabel(curve.figure, fontsize=9)
    axis.set_title("level = cost grows in proportion" if curve.flat else "higher is faster", fontsize=9)
    axis.grid(alpha=0.3)
    atomic.write_with(path, lambda file: figure.savefig(file, format="png"))
    return path
