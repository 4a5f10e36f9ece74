"""Drawings as inline SVG: strips with boxes, learning curves, bars. Colours are the page's CSS classes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from toolkit.report.markup import esc, figure

WIDTH, HEIGHT = 340, 196
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 24, 34  # margins of the plotting area, in the drawing's own pixels


def strips(title: str, groups: Sequence[tuple[str, np.ndarray]], ylabel: str, zero_line: bool = False) -> str:
    """Values per group: a dot each, a box over the middle half, a line at the median.

    `groups` are (label, values); `zero_line` marks 0.
    """
    low, high = _limits(np.concatenate([values for _, values in groups]))
    step = (WIDTH - LEFT - RIGHT) / len(groups)
    half = min(18.0, step * 0.36)
    parts = [_y_axis(low, high, ylabel)]
    if zero_line and low < 0 < high:
        parts.append(f'<path class="zero" d="M{LEFT} {_y(0, low, high):.1f}H{WIDTH - RIGHT}"/>')
    for index, (label, values) in enumerate(groups):
        centre = LEFT + (index + 0.5) * step
        parts.append(_strip(centre, half, label, values, low, high))
        parts.append(f'<text x="{centre:.1f}" y="{HEIGHT - 18}" class="mid">{esc(label)}</text>')
        parts.append(f'<text x="{centre:.1f}" y="{HEIGHT - 5}" class="mid faint">n={len(values)}</text>')
    return _svg(title, f"{title}: {ylabel} per value", "".join(parts))


def _strip(centre: float, half: float, label: str, values: np.ndarray, low: float, high: float) -> str:
    first, median, third = (float(value) for value in np.percentile(values, [25, 50, 75]))
    # The golden ratio spreads dots evenly without chance, so that the page is the same every time.
    offsets = (np.arange(len(values)) * 0.618034 % 1 - 0.5) * 1.7 * half
    heights = (_y(float(value), low, high) for value in values)
    dots = "".join(f"M{centre + dx:.0f} {y:.1f}h0" for dx, y in zip(offsets, heights, strict=True))
    top, bottom, middle = (_y(value, low, high) for value in (third, first, median))
    shown = f"{label}: median {figure(median)}, middle half {figure(first)} to {figure(third)}, n={len(values)}"
    return (
        f'<g><title>{esc(shown)}</title><path class="dots" d="{dots}"/>'
        f'<rect class="box" x="{centre - half:.1f}" y="{top:.1f}" width="{2 * half:.1f}" '
        f'height="{max(bottom - top, 0.5):.1f}"/>'
        f'<path class="median" d="M{centre - half:.1f} {middle:.1f}h{2 * half:.1f}"/></g>'
    )


def curve(title: str, mean: np.ndarray, spread: np.ndarray, best: Sequence[float], ylabel: str, style: str) -> str:
    """A line over epochs 1, 2, ... with a band of one standard deviation; ticks mark the epochs in `best` (1-based)."""
    low, high = _limits(np.concatenate([mean - spread, mean + spread]))
    last = max(2, len(mean))

    def place(epoch: int, value: float) -> str:
        return f"{_x(epoch, 1, last):.1f} {_y(float(value), low, high):.1f}"

    known = [epoch for epoch in range(1, len(mean) + 1) if math.isfinite(mean[epoch - 1])]
    upper = [place(epoch, mean[epoch - 1] + spread[epoch - 1]) for epoch in known]
    lower = [place(epoch, mean[epoch - 1] - spread[epoch - 1]) for epoch in reversed(known)]
    line = "L".join(place(epoch, mean[epoch - 1]) for epoch in known)
    marks = "".join(f"M{_x(epoch, 1, last):.1f} {HEIGHT - BOTTOM}v-7" for epoch in best if 1 <= epoch <= last)
    labels = "".join(
        f'<text x="{_x(epoch, 1, last):.1f}" y="{HEIGHT - 18}" class="mid">{epoch}</text>' for epoch in _epochs(last)
    )
    body = (
        f'{_y_axis(low, high, ylabel)}<path class="band {style}" d="M{"L".join(upper + lower)}Z"/>'
        f'<path class="line {style}" d="M{line}"/><path class="mark" d="{marks}"/>{labels}'
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 5}" class="mid faint">epoch</text>'
    )
    return _svg(title, f"{title}: {ylabel} per epoch", body)


def bar(value: float, spread: float, top: float, style: str) -> str:
    """One horizontal bar from 0, of any width, with a whisker of `spread` to both sides; `top` is the full width."""
    end = _percent(value, top)
    whisker = ""
    if math.isfinite(spread):
        left, right = _percent(value - spread, top), _percent(value + spread, top)
        whisker = f'<line class="whisker" x1="{left}%" x2="{right}%" y1="9" y2="9"/>'
        whisker += "".join(f'<line class="whisker" x1="{x}%" x2="{x}%" y1="5" y2="13"/>' for x in (left, right))
    return (
        f'<svg class="bar" width="100%" height="18" aria-hidden="true">'
        f'<rect class="{style}" y="2" width="{end}%" height="14" rx="2"/>{whisker}</svg>'
    )


def _percent(value: float, top: float) -> str:
    return f"{min(100.0, max(0.0, 100 * value / top)):.2f}".rstrip("0").rstrip(".")


def _svg(title: str, described: str, body: str) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{esc(described)}">'
        f'<text x="{LEFT}" y="14" class="title">{esc(title)}</text>{body}</svg>'
    )


def _y_axis(low: float, high: float, label: str) -> str:
    ticks = _ticks(low, high)
    digits = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9)) if len(ticks) > 1 else 2
    lines = "".join(f"M{LEFT} {_y(tick, low, high):.1f}H{WIDTH - RIGHT}" for tick in ticks)
    texts = "".join(
        f'<text x="{LEFT - 5}" y="{_y(tick, low, high) + 3.5:.1f}" class="end">{tick + 0.0:.{digits}f}</text>'
        for tick in ticks
    )
    middle = (TOP + HEIGHT - BOTTOM) / 2
    side = f'<text class="mid faint" transform="translate(9 {middle}) rotate(-90)">{esc(label)}</text>'
    return f'<path class="grid" d="{lines}"/>{texts}{side}'


def _limits(values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    low, high = float(finite.min()), float(finite.max())
    margin = max((high - low) * 0.06, abs(high) * 1e-3, 1e-6)
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers inside."""
    raw = (high - low) / 4
    unit = 10 ** math.floor(math.log10(raw))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= raw)
    first = math.ceil(low / step)
    return [index * step for index in range(first, math.floor(high / step) + 1)]


def _epochs(last: int) -> list[int]:
    """1 and at most six round epochs after it."""
    unit = 10 ** max(0, math.ceil(math.log10(last / 6)) - 1)
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor * 6 >= last)
    return [1, *(epoch for epoch in range(step, last + 1, step) if epoch > 1)]


def _x(value: float, low: float, high: float) -> float:
    return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)


def _y(value: float, low: float, high: float) -> float:
    return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
