"""`check`: whether a csv of labels will be read as its author means it."""

from __future__ import annotations

import re
from pathlib import Path

from toolkit.openset.labels import LabelError, literal_list, normal_brackets, string_to_list
from toolkit.openset.samples import Inspection, inspect_csv, read_csv_labels

_APOSTROPHE = re.compile(r"\w'\w")


def run_check(csv: Path, gt_csv: Path | None = None, label_parser: str = "quotes") -> int:
    """Print every problem with its line; returns 1 when there is one, 0 when there are at most doubts.

    With `gt_csv` names that stand in one of the two only are listed, too; a missing one is a problem.

    Raises:
        UserError: not a csv with the columns name and openset.
    """
    found = inspect_csv(csv, label_parser)
    problems = list(found.problems)
    doubts = list(found.doubts) + _apostrophes(found, label_parser) + _around_lists(found)
    problems += [(found.lines[name], f"{name}: empty cell") for name, cell in found.cells.items() if not cell.strip()]
    if not found.lines and not problems:
        problems.append((1, "no sample below the header"))
    if gt_csv is not None:
        truth = read_csv_labels(gt_csv, label_parser)
        problems += [(0, f"name {name!r} of {gt_csv} is missing") for name in sorted(truth) if name not in found.lines]
        extra = [(line, f"name {name!r} is not in {gt_csv}") for name, line in found.lines.items() if name not in truth]
        doubts += extra
    for kind, rows in (("error", problems), ("warning", doubts)):
        for line, text in sorted(rows):
            print(f"{csv}{f', line {line}' if line else ''}: {kind}: {text}")
    labels = [label for several in found.labels.values() for label in several]
    print(
        f"{len(found.labels)} samples, {len(labels)} labels ({len(set(labels))} different); "
        f"{len(problems)} errors, {len(doubts)} warnings"
    )
    return 1 if problems else 0


def _around_lists(found: Inspection) -> list[tuple[int, str]]:
    """Cells of which a part is not read: only what stands between the first "[" and the first "]" after it is."""
    doubts = []
    for name, cell in found.cells.items():
        text = normal_brackets(cell).strip()
        start = text.find("[")
        end = text.find("]", start)
        if start < 0:
            continue
        before, inside, after = text[:start], text[start + 1 : end if end >= 0 else None], text[end + 1 :]
        if end < 0:
            doubts.append((found.lines[name], f"{name}: the list has no closing bracket; all that follows is read"))
        elif "]" in after or "[" in inside:
            text = f"{name}: brackets inside the list; it ends at the first ], what follows is lost: {after[:40]!r}"
            doubts.append((found.lines[name], text))
        elif (before + after).strip():
            text = f"{name}: text around the list is not read: {(before + ' ... ' + after).strip()[:60]!r}"
            doubts.append((found.lines[name], text))
    return doubts


def _apostrophes(found: Inspection, label_parser: str) -> list[tuple[int, str]]:
    """Cells that the baseline's reading cuts inside a label."""
    if label_parser != "quotes":
        return []
    doubts = []
    for name, cell in found.cells.items():
        if not _APOSTROPHE.search(cell):
            continue
        try:
            cut, whole = string_to_list(cell), literal_list(cell)
        except LabelError:
            continue
        if cut != whole:
            text = f"{name}: an apostrophe cuts {whole} into {cut}; --label_parser literal reads it whole"
            doubts.append((found.lines[name], text))
    return doubts
