"""The table on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.predict.ensemble import Predicted
from toolkit.predict.files import weight_columns

SHOWN = 20  # rows; the rest is in the csv
NAME_WIDTH = 40


def prediction_table(description: Mapping[str, Any], predicted: Predicted, explain: bool) -> str:
    """Name, emotion, probabilities, valence, modality weights; the first `SHOWN` samples."""
    emotions, outputs = description["emotions"], predicted.outputs
    header = ["NAME", *(["EMOTION", *emotions] if emotions else [])]
    header += ["VALENCE"] if description["outputs"][1] else []
    header += [column.replace("weight_", "weight ") for column in weight_columns(description)] if explain else []
    probabilities = predicted.probabilities[:SHOWN]
    lines = [header]
    for number, name in enumerate(predicted.names[:SHOWN]):
        line = [_short(name)]
        line += [emotions[outputs.emos[number].argmax()]] if emotions else []
        values = [*probabilities[number], *outputs.vals[number], *(outputs.attention[number] if explain else [])]
        lines.append(line + [f"{value:.3f}" for value in values])
    left = 2 if emotions else 1  # columns of text
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    rows = [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    more = len(predicted.names) - SHOWN
    return "\n".join(rows + ([f"... and {more} more"] if more > 0 else []))


def _short(name: str) -> str:
    shown = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return shown if len(shown) <= NAME_WIDTH else f"{shown[: NAME_WIDTH - 3]}..."


def listed(rows: Sequence[tuple[str, str]], kind: str, most: int = 20) -> list[str]:
    """Lines ``kind: name: reason``, at most `most` of them."""
    lines = [f"  {kind}: {name}: {reason}" for name, reason in rows[:most]]
    return lines + ([f"  ... and {len(rows) - most} more"] if len(rows) > most else [])
