"""HTML building blocks. Everything that comes from a file goes through `esc`."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

DASH = "\u2013"


@dataclass(frozen=True)
class Column:
    """A table column; `numeric` ones sort as numbers and stand right."""

    name: str
    numeric: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Cell:
    """Ready HTML with the value it sorts by (a number, a text, or None = missing, always last)."""

    html: str
    sort: float | str | None
    wide: bool = False


def esc(value: Any) -> str:
    """`value` as text that is safe between tags and inside quoted attributes, and encodable."""
    return html.escape(str(value).encode("utf-8", "replace").decode("utf-8"), quote=True)


def figure(value: float, digits: int = 4) -> str:
    """A number in a sentence."""
    return f"{value:.{digits}f}" if math.isfinite(value) else DASH


def number(value: float, digits: int = 4) -> Cell:
    """A table cell with a number."""
    return Cell(figure(value, digits), value if math.isfinite(value) else None)


def words(value: str, small: str = "", wide: bool = False) -> Cell:
    """A table cell with text, and more of it below in small."""
    below = f"<small>{esc(small)}</small>" if small else ""
    return Cell(esc(value) + below, value, wide)


def duration(seconds: float) -> Cell:
    """A table cell with a time."""
    return Cell(shown_duration(seconds), seconds if math.isfinite(seconds) else None)


def shown_duration(seconds: float) -> str:
    """``4.2 s``, ``3 min 05 s``, ``2 h 07 min``."""
    if not math.isfinite(seconds):
        return DASH
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def shown_value(value: Any) -> str:
    """A hyper-parameter's value, short."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def shown_hyper(hyper: dict[str, Any]) -> str:
    """``dropout 0.3, hidden_dim 128, lr 0.001``."""
    return ", ".join(f"{key}\u00a0{shown_value(value)}" for key, value in sorted(hyper.items()))


def table(identity: str, caption: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> str:
    """A sortable table with a text filter, scrolling inside itself."""
    head = "".join(
        f'<th scope="col" data-type="{"num" if column.numeric else "text"}" aria-sort="none"'
        f'{_attribute("title", column.hint)}><button type="button">{esc(column.name)}</button></th>'
        for column in columns
    )
    body = "".join(f"<tr>{''.join(map(_cell, row, columns))}</tr>\n" for row in rows)
    search = (
        f'<p class="filter js"><input type="search" aria-label="filter: {esc(caption)}" placeholder="filter"> '
        f"<output>{len(rows)} rows</output></p>"
        if len(rows) > 5
        else ""
    )
    return (
        f'<div class="data" id="{esc(identity)}">{search}<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{esc(caption)}"><table data-sortable><caption>{esc(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div></div>"
    )


def section(identity: str, title: str, *parts: str) -> str:
    """A titled part of the page."""
    return f'<section id="{esc(identity)}"><h2>{esc(title)}</h2>\n{"".join(parts)}</section>\n'


def note(text: str) -> str:
    """A paragraph of explanation; `text` is plain."""
    return f'<p class="note">{esc(text)}</p>'


def problem(text: str) -> str:
    """A paragraph that says what could not be shown, and why."""
    return f'<p class="problem">{esc(text)}</p>'


def _cell(cell: Cell, column: Column) -> str:
    kind = "n" if column.numeric else "w" if cell.wide else ""
    # The sort value is written only where the shown text does not sort the same way.
    same = _is_number(cell.html) if column.numeric else cell.html == esc(cell.sort)
    value = "" if same else f' data-v="{"" if cell.sort is None else esc(cell.sort)}"'
    return f"<td{_attribute('class', kind)}{value}>{cell.html}</td>"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _attribute(name: str, value: str) -> str:
    return f' {name}="{esc(value)}"' if value else ""
