"""Punctuation for transcripts that have none: csv (name, sentence) -> csv (name, sentence), words unchanged."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from toolkit.preprocess.asr import COLUMNS, SAVE_SECONDS
from toolkit.preprocess.batch import BatchReport
from toolkit.utils import atomic
from toolkit.utils.errors import UserError
from toolkit.utils.progress import progress_bar
from toolkit.utils.read_files import read_csv, write_csv

# Western marks count at the end of a word only: 3.5 and e.g. 10:30 hold none.
_MARK = re.compile(r"[\u3001\u3002\uff0c\uff1f\uff01\uff1b\uff1a\u2026]|[.,?!;:](?=\s|$)")


class Punctuator(Protocol):
    """What a punctuation model must do."""

    def punctuate(self, text: str) -> str:
        """`text` with punctuation marks put in."""


@dataclass
class Refinement:
    """What a run did; `empty` and `marked` lines were copied as they are: without text, with punctuation already."""

    report: BatchReport
    empty: int = 0
    marked: int = 0


def has_punctuation(text: str) -> bool:
    """Whether a text has punctuation marks already."""
    return _MARK.search(text) is not None


def bare(text: str) -> str:
    """The letters and digits of a text, case folded: what punctuation must not change."""
    return "".join(letter for letter in text if unicodedata.category(letter)[0] in "LNM").casefold()


def refine_transcripts(
    old: Path, new: Path, build: Callable[[], Punctuator], overwrite: bool = False, progress: bool = True
) -> Refinement:
    """Write `new` (name, sentence; the order of `old`) with punctuation in the sentences of `old` that have none.

    Empty sentences, and those with punctuation, stay as they are. What `new` has already, with the same words, is kept
    unless `overwrite`; the csv is rewritten every 10 s and whenever the run ends. `build` makes the model; it is not
    called when nothing is to do. A sentence whose words the model changes stays as it was, with a warning.

    Raises:
        UserError: a csv is missing or wrong, or both are the same file.
    """
    started = time.perf_counter()
    if new.exists() and new.samefile(old):
        raise UserError(f"{new}: OLD and NEW are the same file; give another NEW")
    sentences = {row["name"]: row["sentence"] for row in read_csv(old, required=COLUMNS, unique="name")}
    made: dict[str, str] = {}
    if new.exists() and not overwrite:
        made = {row["name"]: row["sentence"] for row in read_csv(new, required=COLUMNS, unique="name")}
    result = Refinement(BatchReport())
    rows: dict[str, str] = {}
    for name, sentence in sentences.items():
        if not sentence.strip():
            rows[name], result.empty = sentence, result.empty + 1
        elif has_punctuation(sentence):
            rows[name], result.marked = sentence, result.marked + 1
        elif name in made and bare(made[name]) == bare(sentence):
            rows[name], result.report.skipped = made[name], result.report.skipped + 1
    todo = [name for name in sentences if name not in rows]
    new.parent.mkdir(parents=True, exist_ok=True)
    atomic.remove_orphans(new.parent)
    model = build() if todo else None
    with progress_bar(len(todo), "punctuation", unit="line", enabled=progress and bool(todo)) as bar:
        try:
            saved = time.monotonic()
            for name in todo:
                _refine(model, name, sentences[name], rows, result.report)
                bar.update()
                if time.monotonic() - saved >= SAVE_SECONDS:
                    _write(new, sentences, rows)
                    saved = time.monotonic()
        finally:
            _write(new, sentences, rows)
    result.report.failures.sort()
    result.report.seconds = time.perf_counter() - started
    return result


def _refine(model: Punctuator | None, name: str, sentence: str, rows: dict[str, str], report: BatchReport) -> None:
    try:
        text = model.punctuate(sentence)
    except Exception as error:  # one bad line must not stop the run: it is listed and tried again next time
        report.fail(name, error)
        return
    if bare(text) != bare(sentence):
        report.warnings.append((name, f"the model changed words ({text!r}); the line stays as it was"))
        text = sentence
    rows[name] = text
    report.done += 1


def _write(new: Path, sentences: dict[str, str], rows: dict[str, str]) -> None:
    write_csv(new, COLUMNS, [(name, rows[name]) for name in sentences if name in rows])
