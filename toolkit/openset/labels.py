"""Labels out of text: a cell of a csv (one list) and a chat reply (a list of lists)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from toolkit.utils.errors import UserError

LABEL_PARSERS = ("quotes", "literal")

_COMMAS = ",;\uff0c\u3001\uff1b"  # also the full-width comma, enumeration comma and semicolon
_NOTHING = _COMMAS + "[] \t\r\n\u3000"  # what stands between labels and is none
_FULL_WIDTH = str.maketrans(
    "\uff3b\uff3d\u3010\u3011\u201c\u201d\uff02\u300c\u300d\u300e\u300f\uff07", "[][]\"\"\"'''''"
)
# A curly single quote between two letters is an apostrophe; anywhere else it opens or closes a label.
_CURLY_QUOTE = re.compile(r"(?<![A-Za-z])[\u2018\u2019]|[\u2018\u2019](?![A-Za-z])")
# A quote ends a label only before a comma, another quote or the end, so that "it's" and 'don't' stay whole.
_QUOTED = re.compile(rf"""(['"])((?:\\.|(?!\1\s*(?:[{_COMMAS}'"]|$)).)*)(?:\1|$)""", re.DOTALL)


class LabelError(ValueError):
    """A text that holds no list of labels."""


def check_parser(label_parser: str) -> None:
    """Raise `UserError` for a reading that does not exist."""
    if label_parser not in LABEL_PARSERS:
        raise UserError(f"--label_parser {label_parser!r} is not known; choose {' or '.join(LABEL_PARSERS)}")


def string_to_list(text: str) -> list[str]:
    """Labels of the first ``[...]`` of a cell, cut at EVERY quote character, as the MER2024 baseline reads it.

    ``"don't believe"`` so becomes two labels. A blank text is an empty list; case is kept.

    Raises:
        LabelError: text without a bracket.
    """
    return _cut_at_quotes(_first_list(text))


def literal_list(text: str) -> list[str]:
    """Labels of the first ``[...]`` of a cell read properly: an apostrophe inside a label stays there.

    Reads Python and JSON lists, and hand-written ones with unescaped quotes (``['don't', 'x']``) or none (``[a, b]``).

    Raises:
        LabelError: text without a bracket.
    """
    return _scan_quoted(_first_list(text))


def read_labels(text: str, label_parser: str = "quotes") -> tuple[str, ...]:
    """The distinct lower-cased labels of a cell in their order of appearance.

    Raises:
        LabelError: text without a bracket.
    """
    read = string_to_list if label_parser == "quotes" else literal_list
    return tuple(dict.fromkeys(item.lower() for item in read(text)))


def listlist_to_list(text: str) -> list[list[str]]:
    """Groups of a chat reply, labels cut at every quote as in `string_to_list`; no list in the reply gives ``[]``."""
    return _find_groups(text, _cut_at_quotes)


def read_groups(text: str, label_parser: str = "quotes") -> list[list[str]]:
    """The lower-cased groups of a reply; words around the list, code fences and empty groups are passed over.

    Of several lists of lists in a reply the last one counts (a model that thinks aloud ends with its answer).
    """
    groups = _find_groups(text, _cut_at_quotes if label_parser == "quotes" else _scan_quoted)
    return [[label.lower() for label in group] for group in groups]


def structure_problem(text: str) -> str:
    """Why a new reply is no list of lists of strings, "" when it is one (words and code fences around it are fine).

    Stricter than `read_groups`: a flat list reads as ONE group of all labels, as if all were synonyms.
    """
    text = normal_brackets(text)
    blocks = [block for block in _blocks(text) if _pieces(block)[1]]
    if not blocks:
        return "holds no list of lists"
    block = blocks[-1]
    if "{" in text[: text.rfind(block)]:
        return "is a dictionary, no list of lists"
    try:
        groups = json.loads(block)
    except (ValueError, RecursionError):
        # Written as Python does, or with unescaped quotes: two levels of brackets and nothing between the groups.
        between = re.sub(r"\[[^\[\]]*\]", "", block)
        good = re.fullmatch(rf"\[[{_COMMAS} \t\r\n\u3000]*\]", between) is not None
    else:
        lists = all(isinstance(group, list) for group in groups)
        good = lists and all(isinstance(label, str) for group in groups for label in group)
    return "" if good else "is no list of lists of strings"


# ---------------------------------------------------------------- finding the list


def normal_brackets(text: str) -> str:
    """Full-width brackets and quotes as ASCII ones, json's ``\\u5f00`` as the character."""
    if "\\u" in text:
        escapes = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")
        text = escapes.sub(lambda match: json.loads(f'"{match[0]}"'), text).encode("utf-8", "replace").decode("utf-8")
    return text if text.isascii() else _CURLY_QUOTE.sub("'", text.translate(_FULL_WIDTH))


def _first_list(text: str) -> str:
    text = normal_brackets(text).strip()
    if not text:
        return ""
    start = text.find("[")
    if start < 0:
        raise LabelError("not a list; write ['happy', 'surprised'], or [] for no label")
    end = text.find("]", start)
    return text[start + 1 : end if end >= 0 else len(text)]


def _find_groups(text: str, read: Callable[[str], list[str]]) -> list[list[str]]:
    blocks = [_pieces(block) for block in _blocks(normal_brackets(text))]
    nested = [pieces for pieces, is_nested in blocks if is_nested]
    pieces = nested[-1] if nested else [piece for pieces, _ in blocks for piece in pieces]
    quoted = [piece for piece in pieces if "'" in piece or '"' in piece]
    # Without any quote in the reply a comma is all there is to cut at.
    groups = [read(piece) for piece in quoted] if quoted else [_cut_at_commas(piece) for piece in pieces]
    return [group for group in groups if group]


def _blocks(text: str) -> Iterator[str]:
    """The outermost bracketed parts; lists with nothing but commas and blanks between them are one part."""
    depth, start, end = 0, -1, -1
    for match in re.finditer(r"[\[\]]", text):
        if match[0] == "[":
            if depth == 0 and start >= 0 and text[end : match.start()].strip(_NOTHING):
                yield text[start:end]
                start = -1
            if start < 0:
                start = match.start()
            depth += 1
        elif depth:
            depth -= 1
            end = match.end()
    if start >= 0:
        yield text[start : end if depth == 0 else len(text)]


def _pieces(block: str) -> tuple[list[str], bool]:
    """The texts between the brackets of a block, and whether it is a list of lists."""
    # What follows the last "]" of an unclosed block are words after the list.
    parts = block[: max(block.rfind("]"), 0)] if block.rfind("]") > block.rfind("[") else block
    is_nested = re.search(r"\[[^\]]*\[", block) is not None
    return [part for part in parts.replace("]", "[").split("[") if part.strip(_NOTHING)], is_nested


# ---------------------------------------------------------------- reading one list


def _cut_at_quotes(inner: str) -> list[str]:
    if "'" in inner or '"' in inner:
        items = inner.replace('"', "'").split("'")
    else:
        items = re.split(f"[{_COMMAS[2:]}]", inner)  # no cut at an ASCII comma: the baseline's reading
    return [item.strip() for item in items if item.strip(_NOTHING)]


def _cut_at_commas(inner: str) -> list[str]:
    return [item.strip() for item in re.split(rf"[{_COMMAS}\n]", inner) if item.strip(_NOTHING)]


def _scan_quoted(inner: str) -> list[str]:
    if "'" not in inner and '"' not in inner:
        return _cut_at_commas(inner)
    labels = [match[2].strip() for match in _QUOTED.finditer(inner)]
    if "\\" in inner:
        labels = [re.sub(r"\\(.)", r"\1", label, flags=re.DOTALL).strip() for label in labels]
    return [label for label in labels if label]
