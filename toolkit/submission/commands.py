"""What ``write`` and ``check`` do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolkit.submission.checking import byte_problems, check_submission, name_problems, print_problems
from toolkit.submission.predictions import read_predictions
from toolkit.submission.tracks import Track, read_candidates
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import write_csv


def run_check(path: Path, track: Track, candidates: Path | None, labels: Sequence[str], label_parser: str) -> int:
    """Print every problem of the submission `path`; 1 when there is one.

    Raises:
        UserError: a file that cannot be read at all.
    """
    names = None if candidates is None else read_candidates(candidates)
    if track.column == "openset":
        return _check_openset(path, names, label_parser)
    found = check_submission(path, track, names, labels)
    print_problems(path, found.problems)
    _print_verdict(len(found.lines), len(found.problems), names)
    return 1 if found.problems else 0


def _check_openset(path: Path, names: list[str] | None, label_parser: str) -> int:
    """`toolkit.openset.check` on the lists, then what it does not look at: the bytes and the candidates."""
    from toolkit.openset.check import run_check as check_lists
    from toolkit.openset.samples import inspect_csv

    if not path.is_file():
        raise UserError(f"{path} does not exist")
    try:
        status = check_lists(path, None, label_parser)
    except UserError as error:  # a wrong header, or no csv at all: a submission that is not in order, too
        print(f"error: {error}")
        _print_verdict(0, 1, names)
        return 1
    lines = inspect_csv(path, label_parser).lines
    data = path.read_bytes()
    header = data.decode("utf-8-sig").split("\n", 1)[0].rstrip("\r")
    problems = byte_problems(data)
    if header.replace('"', "") != "name,openset":
        problems.append((1, f"the header is {header!r}, not 'name,openset'"))
    problems = sorted(problems + name_problems(lines, names))
    print_problems(path, problems)
    _print_verdict(len(lines), len(problems), names, bad_lists=status != 0)
    return 1 if status or problems else 0


def _print_verdict(samples: int, problems: int, names: list[str] | None, bad_lists: bool = False) -> None:
    held = "names not checked: no --candidates" if names is None else f"held against {len(names):,} candidates"
    verdict = f"{problems:,} error{'s' * (problems != 1)}"
    if bad_lists:
        verdict += " besides those of the lists: not in order"
    elif not problems:
        verdict += ": in order"
    print(f"{samples:,} samples, {held}; {verdict}")


def run_write(
    source: Path, output: Path, track: Track, candidates: Path | None, labels: Sequence[str], column: str = ""
) -> int:
    """Write the submission `output` from the predictions `source`: all of them, or the candidates in their order.

    Raises:
        UserError: predictions that cannot be used, candidates without one, unknown labels; nothing is written then.
    """
    for file, what in ((source, "predictions"), (candidates, "candidates")):
        if file is not None and output.exists() and file.exists() and output.samefile(file):
            raise UserError(f"--output {output} is the file of {what}; choose another name")
    chosen = tuple(labels) or track.labels
    found = read_predictions(source, track, chosen, column)
    if not found:
        raise UserError(f"{source}: holds no predictions")
    names = list(found) if candidates is None else read_candidates(candidates)
    missing = [name for name in names if name not in found]
    if missing:
        raise UserError(
            f"{source}: no prediction for {len(missing):,} of the {len(names):,} candidates of {candidates}, "
            f"for example {', '.join(map(repr, missing[:3]))}; predict these first"
        )
    rows = [(name, found[name]) for name in names]
    if track.labels:
        unknown = [f"{name} {label!r}" for name, label in rows if label not in chosen]
        if unknown:
            raise UserError(
                f"{source}: {len(unknown):,} labels are unknown, for example {', '.join(unknown[:3])}; "
                f"known: {', '.join(chosen)}"
            )
    else:
        _check_lists(source, rows)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_csv(output, track.header, rows)
    rest = len(found) - len(rows)
    print(f"{output}: {len(rows):,} samples" + (f"; {rest:,} predictions are of no candidate" if rest else ""))
    return 0


def _check_lists(source: Path, rows: Sequence[tuple[str, str]]) -> None:
    from toolkit.openset.labels import LabelError, read_labels

    for name, cell in rows:
        try:
            labels = read_labels(cell, "literal")
        except LabelError as error:
            raise UserError(f"{source}: {name}: {cell!r} is {error}") from error
        if not labels:
            raise UserError(f"{source}: {name}: no label")
