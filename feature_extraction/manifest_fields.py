"""What the fields of a ``manifest.json`` must be: a manifest that was edited or made by another program is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _text(value: Any) -> bool:
    # no halves of a character ("\\ud800" in JSON): no file could be written with them
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _map_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


# field: (must it be there, what it is, whether a value is that)
_FIELDS: dict[str, tuple[bool, str, Callable[[Any], bool]]] = {
    "feature": (True, "a text", _text),
    "level": (True, "a text", _text),
    "width": (True, "a whole number", _number),
    "dtype": (True, "a text", _text),
    "formula": (True, "a text", _text),
    "model": (True, "a table of texts", _map_of(_text)),
    "versions": (False, "a table of lists of texts", _map_of(_texts)),
    "counts": (False, "a table of whole numbers", _map_of(_number)),
    "failures": (False, "a text or null", lambda value: value is None or _text(value)),
    "kept_without_manifest": (False, "a whole number", _number),
}


def manifest_fault(manifest: Any) -> str:
    """What is wrong with a parsed manifest, in a few words; "" when nothing is."""
    if not isinstance(manifest, dict):
        return f"it holds {_kind(manifest)} instead of a table"
    for name, (needed, words, check) in _FIELDS.items():
        if name not in manifest:
            if needed:
                return f"{name} is missing"
        elif not check(manifest[name]):
            return f"{name} is not {words}"
    return ""


def _kind(value: Any) -> str:
    return {list: "a list", str: "a text", type(None): "null"}.get(type(value), "a number")
