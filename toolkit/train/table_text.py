"""Tables as text for a terminal and as Markdown; means with their deviations."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

NOTHING = "-"


def terminal_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned with blanks, headings in capitals."""
    lines = [[cell.upper() for cell in header], *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; ``|`` in cells is escaped, ``0.5 +- 0.1`` gets its sign."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_markdown_cell, line)) + " |" for line in lines)


def _markdown_cell(cell: str) -> str:
    return re.sub(r"(?<=\d) \+- (?=\d)", " \u00b1 ", cell.replace("|", "\\|"))


def mean_and_std(score: tuple[float, float] | None) -> str:
    """``0.7312 +- 0.0045``; the mean alone when it is of one run, ``-`` without a score."""
    if score is None or math.isnan(score[0]):
        return NOTHING
    return f"{score[0]:.4f}" if math.isnan(score[1]) else f"{score[0]:.4f} +- {score[1]:.4f}"


def exact(value: float) -> str:
    """A number for a csv, six digits as in the leaderboard; empty for nan."""
    return "" if math.isnan(value) else f"{value:.6f}"


def score_cells(scores: Mapping[str, tuple[float, float]], names: Sequence[str]) -> list[str]:
    """Mean and deviation of each named score for a csv; two empty cells where there is none."""
    return [exact(value) for name in names for value in scores.get(name, (math.nan, math.nan))]


def score_columns(names: Sequence[str]) -> list[str]:
    """Column names of `score_cells`: ``f1_mean, f1_std, ..., test1_f1_mean, ...``."""
    return [f"{name.replace(' ', '_')}_{part}" for name in names for part in ("mean", "std")]


def score_names(every: Sequence[Mapping[str, Any]]) -> list[str]:
    """All scores that some row has, in order of first appearance."""
    return list(dict.fromkeys(name for scores in every for name in scores))


def heading(name: str) -> str:
    """A heading: ``f1`` of the cross-validation as it is, ``test1 f1`` of a test set as it is."""
    return {"f1": "weighted F1", "acc": "accuracy", "mse": "valence MSE"}.get(name, name)


def shown_hyper(hyper: Mapping[str, Any]) -> str:
    """Hyper-parameters as ``key value``, without a clipping that is off."""
    kept = {key: value for key, value in hyper.items() if (key, value) != ("grad_clip", -1)}
    return ", ".join(
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in kept.items()
    )


def json_cell(value: Any) -> str:
    """A value as the leaderboard writes it."""
    return json.dumps(value, sort_keys=True)
