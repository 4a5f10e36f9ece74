"""``corpus.yaml``: what a corpus of the user's own states about itself; written and read here only.

    name: MyCorpus
    emotions: [angry, happy, neutral]    # label set; the position is the class index. []: valence only
    outputs: [3, 0]                      # emotion logits, valence outputs
    metric: emo                          # model selection: emo, or emoval with both outputs
    splits:
      folds: random5                     # or given, session, first_of_random5
      train: train_corpus                # keys of label.npz
      validation: null                   # a key, for given folds
      tests: {test1: test_corpus}        # test set -> key
      hidden: []                         # test sets whose labels are placeholders

The file lies in ``<name>-dataset-process/`` beside ``label.npz``. It is safe-loaded, so it cannot run code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.globals import CUSTOM_ROOT_ENDING, custom_name_fault
from toolkit.utils import atomic
from toolkit.utils.errors import UserError

FIELDS = ("name", "emotions", "outputs", "metric", "splits")
SPLIT_FIELDS = ("folds", "train", "validation", "tests", "hidden")
FOLDS = ("random5", "given", "session", "first_of_random5")
FEWEST_EMOTIONS = 2
_COLUMNS = ("name", "discrete", "valence", "confidence")  # of predictions.csv and the like, beside the emotions
_COLUMN_START = "weight_"
_HEAD = """# Written by `python -m toolkit.preprocess.custom`; every command finds the corpus as --dataset {name}.
# What the fields mean: docs/custom-corpus.md
"""


@dataclass(frozen=True)
class CorpusFile:
    """The content of a ``corpus.yaml``; see the module's text."""

    name: str
    emotions: tuple[str, ...]
    outputs: tuple[int, int]
    metric: str
    folds: str
    train: str
    validation: str | None = None
    tests: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()


def emotion_fault(emotion: str) -> str:
    """Why an emotion cannot have this name, with the fix; "" when it can. Tables have a column per emotion."""
    if emotion in _COLUMNS or emotion.startswith(_COLUMN_START):
        kind = f"columns that begin with {_COLUMN_START}" if emotion not in _COLUMNS else f"a column {emotion}"
        return f"tables of predictions have {kind} of their own; call the emotion {emotion.capitalize()!r}, say"
    return ""


def write_corpus_file(path: Path, corpus: CorpusFile) -> None:
    """Write `corpus` to `path` atomically."""
    import yaml

    content = {
        "name": corpus.name,
        "emotions": list(corpus.emotions),
        "outputs": list(corpus.outputs),
        "metric": corpus.metric,
        "splits": {
            "folds": corpus.folds,
            "train": corpus.train,
            "validation": corpus.validation,
            "tests": dict(corpus.tests),
            "hidden": list(corpus.hidden),
        },
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)
    atomic.write_text(path, _HEAD.format(name=corpus.name) + text)


def read_corpus_file(path: Path) -> CorpusFile:
    """The checked content of `path`.

    Raises:
        UserError: not readable yaml, or fields that are missing, unknown or wrong (all of them are named).
    """
    content = _read_yaml(path)
    splits = content.get("splits")
    problems = [*_unknown_and_missing(content, FIELDS, "")]
    if isinstance(splits, dict):
        problems += _unknown_and_missing(splits, SPLIT_FIELDS, "splits.")
    if not problems:
        problems = [*_problems(content, path), *_split_problems(splits)]
    if problems:
        several = "several problems:\n  - " if len(problems) > 1 else ""
        raise UserError(f"{path}: {several}" + "\n  - ".join(problems))
    return CorpusFile(
        name=content["name"],
        emotions=tuple(content["emotions"]),
        outputs=tuple(map(int, content["outputs"])),  # 2.0 and true are equal to integers
        metric=content["metric"],
        folds=splits["folds"],
        train=splits["train"],
        validation=splits["validation"],
        tests=dict(splits["tests"]),
        hidden=tuple(splits["hidden"]),
    )


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; make it with `python -m toolkit.preprocess.custom`") from None
    except Exception as error:  # yaml's constructors raise nearly anything: 2024-02-31, !!bool x, !!timestamp x
        raise UserError(f"{path}: not a readable yaml file ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds {type(content).__name__}, not the fields {', '.join(FIELDS)}")
    return content


def _unknown_and_missing(content: Mapping[Any, Any], known: tuple[str, ...], prefix: str):
    for name in known:
        if name not in content:
            yield f"the field {prefix}{name} is missing"
    for name in content:
        if name not in known:
            yield f"unknown field {prefix}{name}; known: {', '.join(known)}"


def _problems(content: Mapping[str, Any], path: Path):
    name, emotions, outputs, metric = (content[key] for key in ("name", "emotions", "outputs", "metric"))
    if not isinstance(name, str):
        yield f"name: {name!r} is not text; put it in quotes"
    elif fault := custom_name_fault(name):
        yield f"name: {name!r}: {fault}"
    elif path.parent.name != f"{name}{CUSTOM_ROOT_ENDING}":
        yield f"name: {name!r}, but the folder is {path.parent.name}; make both agree (<name>{CUSTOM_ROOT_ENDING})"
    if not isinstance(emotions, list) or len(emotions) == 1:
        yield f"emotions: {emotions!r} is not a list of at least {FEWEST_EMOTIONS} labels ([] for valence only)"
        return
    for emotion in emotions:
        if not isinstance(emotion, str) or not emotion.strip():
            yield f"emotions: {emotion!r} is not text; put it in quotes, as in '{emotion}'"
        elif fault := emotion_fault(emotion):
            yield f"emotions: {emotion!r}: {fault}"
    if len({str(emotion) for emotion in emotions}) < len(emotions):
        yield f"emotions: a label stands there twice ({', '.join(map(str, emotions))})"
    if outputs not in ([len(emotions), 0], [len(emotions), 1]) or outputs == [0, 0]:
        choices = "[0, 1]" if not emotions else f"[{len(emotions)}, 0], or [{len(emotions)}, 1] with valence"
        yield f"outputs: {outputs!r}; with {len(emotions)} emotions it must be {choices}"
        return
    allowed = ("emo", "emoval") if emotions and outputs[1] else ("emo",)
    if metric not in allowed:
        yield f"metric: {metric!r}; with outputs {outputs} it must be {' or '.join(allowed)}"


def _split_problems(splits: Any):
    if not isinstance(splits, dict):
        yield f"splits: {splits!r} is not the fields {', '.join(SPLIT_FIELDS)}"
        return
    folds, validation, tests, hidden = (splits[key] for key in ("folds", "validation", "tests", "hidden"))
    if folds not in FOLDS:
        yield f"splits.folds: {folds!r}; known: {', '.join(FOLDS)}"
    if not isinstance(splits["train"], str):
        yield f"splits.train: {splits['train']!r} is not a key of label.npz, such as train_corpus"
    if folds == "given" and not isinstance(validation, str):
        yield f"splits.validation: {validation!r}; given folds need a key of label.npz, such as val_corpus"
    if folds != "given" and validation is not None:
        yield f"splits.validation: {validation!r} goes with folds: given only; write null, or folds: given"
    if not isinstance(tests, dict) or not all(isinstance(key, str) for key in tests.values()):
        yield f"splits.tests: {tests!r} is not test sets with keys of label.npz, such as {{test1: test_corpus}}"
        return
    for test in tests:
        if not isinstance(test, str) or not re.fullmatch(r"[A-Za-z0-9]+", test):
            yield f"splits.tests: {test!r} is no name of a test set; letters and digits only, such as test1"
    if not isinstance(hidden, list) or not all(isinstance(test, str) and test in tests for test in hidden):
        yield f"splits.hidden: {hidden!r} is not a list of test sets; test sets: {', '.join(map(str, tests)) or 'none'}"
