"""``model.json`` of a saved model: reading it, and saying what is wrong with one that was damaged or edited."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from toolkit.data.dataset import INPUT_KEYS
from toolkit.models import FEAT_TYPES, MODELS
from toolkit.utils.errors import UserError

FORMAT = 1
DESCRIPTION = "model.json"
AGAIN = "train again with --savemodel"


def read_description(path: Path) -> dict[str, Any]:
    """The checked content of `path`.

    Raises:
        UserError: not json, of another format, or a field is missing or wrong; the message names the first.
    """
    try:
        content = json.loads(path.read_bytes().decode("utf-8"))
    except (ValueError, RecursionError) as error:  # not UTF-8, not json, nested without end
        raise damaged(path, str(error)) from error
    if not isinstance(content, dict):
        raise damaged(path, f"it holds {type(content).__name__}, not fields")
    if content.get("format") != FORMAT or isinstance(content.get("format"), bool):
        raise UserError(f"{path}: format {content.get('format')}, this toolkit reads {FORMAT}; {AGAIN}")
    for problem in _problems(content):
        raise damaged(path, problem)
    return content


def damaged(path: Path, reason: str) -> UserError:
    """The error that names `path` and `reason`."""
    return UserError(f"{path}: damaged ({' '.join(reason.split())[:300]}): {AGAIN}")


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _all(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(is_right, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_folder_name(value: Any) -> bool:
    return _is_text(value) and value not in (".", "..") and not set(value) & {"/", "\\", "\0"}


def _is_keys(value: Any) -> bool:
    return value == list(INPUT_KEYS) or (
        isinstance(value, list) and bool(value) and value == [f"feat{number}" for number in range(len(value))]
    )


def _is_outputs(value: Any) -> bool:
    counts = _all(lambda part: _is_count(part, 0))(value) and len(value) == 2
    return counts and value[1] <= 1 and sum(value) > 0


_NEEDED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "model": (lambda value: isinstance(value, str) and value in MODELS, f"one of {', '.join(MODELS)}"),
    "feat_type": (lambda value: isinstance(value, str) and value in FEAT_TYPES, f"one of {', '.join(FEAT_TYPES)}"),
    "feat_scale": (lambda value: _is_count(value, 1), "a whole number from 1 on"),
    "features": (lambda value: bool(value) and _all(_is_folder_name)(value), "a list of names of feature folders"),
    "keys": (_is_keys, f"{', '.join(INPUT_KEYS)}, or feat0, feat1, ..."),
    "feat_dims": (_all(lambda value: _is_count(value, 1)), "a list of widths from 1 on"),
    "outputs": (_is_outputs, "[emotions, 0 or 1 valence]"),
    "emotions": (lambda value: _all(_is_text)(value) and len(set(value)) == len(value), "a list of different labels"),
    "hyper": (lambda value: isinstance(value, dict), "the model's settings by name"),
    "folds": (lambda value: _is_count(value, 1), "a whole number from 1 on"),
}
_OPTIONAL: Mapping[str, tuple[Callable[[Any], bool], str]] = {  # older versions had not all of them
    "lengths": (_all(lambda value: _is_count(value, 0)), "a list of lengths"),
    "train_names": (_all(lambda value: isinstance(value, str)), "a list of names"),
    "args": (lambda value: isinstance(value, dict), "the arguments by name"),
}


def _problems(content: Mapping[str, Any]) -> Iterator[str]:
    for field, (is_right, expected) in {**_NEEDED, **_OPTIONAL}.items():
        if field not in content and field in _NEEDED:
            yield f"the field {field} is missing"
        elif field in content and not is_right(content[field]):
            yield f"{field} is {_short(content[field])}, not {expected}"
    inputs = len(content["keys"])
    for field in ("features", "feat_dims", *(["lengths"] if content.get("lengths") else [])):
        if len(content[field]) != inputs:
            yield f"{len(content[field])} {field} for {inputs} inputs ({', '.join(content['keys'])})"
    classes = content["outputs"][0]
    if len(content["emotions"]) != classes:
        yield f"{classes} outputs but {len(content['emotions'])} emotions"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
