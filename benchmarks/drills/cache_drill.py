"""A packed cache that something has damaged, before a run that reads it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from drills.faults import Row, Undisturbed, fresh

# Nobody removes a folder that stands where the cache would be: features are read file by file then, which is allowed.
BLOCKED = ("a folder in its place", "missing: cache/")


def damages(cache: Path) -> Iterator[tuple[str, Path]]:
    """Each damage done to the packed files of `cache`, one after the other, and the file that has it."""
    whole = {path: path.read_bytes() for path in sorted(cache.rglob("*.npy"))}
    first, other = list(whole)[:2]
    cuts = {"cut to half": len(whole[first]) // 2, "empty": 0, "without its last byte": len(whole[first]) - 1}
    changed = {what: whole[first][:size] for what, size in cuts.items()}
    for what, place in {"a bit of the header": 20, "a bit of the index": -40, "a bit of the trailer": -1}.items():
        data = bytearray(whole[first])
        data[place] ^= 4
        changed[what] = bytes(data)
    changed["another feature's cache"] = whole[other]
    for what, data in changed.items():
        first.write_bytes(data)
        yield what, first
    first.unlink(missing_ok=True)
    first.mkdir()
    yield "a folder in its place", first


def corrupt_cache(usual: Undisturbed, most: int) -> Row:
    """A packed cache that something has damaged, before a run that reads it."""
    row = Row("corrupt cache", usual.job.name)
    kinds = []
    source = usual.folder / "cache"
    damaged = usual.work / "damaged"
    shutil.copytree(source, damaged)
    for number, (what, _) in enumerate(damages(damaged)):
        if number == most:
            break
        folder = fresh(usual.job, usual.work / f"cache-{number}")
        shutil.copytree(damaged, folder / "cache")
        kinds.append(what)
        row.repeats += 1
        before = len(row.problems)
        usual.finish(folder, row)
        found = [problem for problem in row.problems[before:] if (what, problem[:15]) != BLOCKED]
        row.problems[before:] = [f"{what}: {problem}" for problem in found]
    row.moments = ", ".join(kinds)
    return row
