"""The feature folders of a corpus, each a part of the report."""

from __future__ import annotations

import fnmatch
import functools
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from toolkit.check.feature_probe import FeatureFacts, probe_feature
from toolkit.check.feature_source import Source, find_source, manifest_faults
from toolkit.check.findings import Part
from toolkit.check.subject import Subject, census, spread
from toolkit.check.workers import Failed, Workers
from toolkit.data.features import list_feature_folders
from toolkit.utils.errors import UserError
from toolkit.utils.failures import FAILURES_FILE
from toolkit.utils.read_files import read_csv

OUTLIER_SPREADS = 10.0  # robust standard deviations of the log level ...
OUTLIER_FACTOR = 3.0  # ... and this factor: what a level may be away from the folder's median


def check_features(subject: Subject, workers: Workers, pattern: str = "*") -> Iterator[Part]:
    """One part per feature folder whose name fits `pattern`, after one about the folders as a whole."""
    root = subject.paths.features
    overview = Part("features", "feature folders", str(root))
    known = list_feature_folders(root)
    chosen = [name for name in known if fnmatch.fnmatchcase(name, pattern)]
    if not chosen:
        overview.add("feature_none", str(root))
    elif pattern == "*":
        _names(overview, root, known)
    overview.fact("folders", f"{len(chosen)} of {len(known)}" if pattern != "*" else len(known))
    yield overview
    for name in chosen:
        yield _check_folder(subject, workers, root / name)


def require_folder(root: Path, pattern: str) -> None:
    """See that a feature folder fits `pattern`.

    Raises:
        UserError: none does (names those that are there).
    """
    known = list_feature_folders(root)
    if not any(fnmatch.fnmatchcase(name, pattern) for name in known):
        raise UserError(f"--features {pattern}: no folder of {root} fits; there: {', '.join(known) or 'none'}")


def _names(part: Part, root: Path, known: list[str]) -> None:
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.is_dir() and not entry.name.startswith(".") and entry.name not in known:
                part.add("feature_name", entry.name)
    for name in known:
        if name[-4] == "-" and f"{name[:-4]}_{name[-3:]}" in known:
            part.add("feature_pair", name, f"and {name[:-4]}_{name[-3:]}")


def _check_folder(subject: Subject, workers: Workers, folder: Path) -> Part:
    part = Part("features", folder.name, str(folder))
    entries = _entries(folder)
    reasons = _reasons(folder)
    for name in set(subject.names) - set(entries):
        part.add("feature_missing", name, reasons.get(name, ""))
    for name in set(entries) - set(subject.names):
        part.add("feature_extra", name)
    seen = _Seen(find_source(subject, folder.name))
    probe = functools.partial(probe_feature, read=not subject.quick)
    for path, facts in workers.each(probe, [str(folder / file) for file in entries.values()], folder.name, "file"):
        file = os.path.basename(path)
        name = file.removesuffix(".npy")
        if isinstance(facts, Failed):
            part.add("check_failed", name, facts.reason)
        else:
            seen.take(part, name, facts)
    seen.finish(part, folder.name.endswith("UTT"))
    width = seen.widths.most_common(1)[0][0] if seen.widths else None
    for detail in manifest_faults(folder, width, len(entries)):
        part.add("feature_manifest", folder.name, detail)
    _facts(part, seen, entries, subject)
    return part


def _entries(folder: Path) -> dict[str, str]:
    """Clip -> its file, or its folder of frames; a file comes before a folder, as for readers."""
    found: dict[str, str] = {}
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                found.setdefault(entry.name, entry.name)
            elif entry.name.endswith(".npy"):
                found[entry.name[:-4]] = entry.name
    return found


def _reasons(folder: Path) -> dict[str, str]:
    try:
        return {row["name"]: row["reason"] for row in read_csv(folder / FAILURES_FILE, ("name", "reason"))}
    except UserError:
        return {}


@dataclass
class _Seen:
    """What the files of one folder have in common, and a few numbers of each."""

    source: Source
    names: list[str] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    widths: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    forms: dict[str, tuple[int, str]] = field(default_factory=dict)  # clip -> width, type; odd ones are looked up
    digests: dict[bytes, str] = field(default_factory=dict)
    stale: int = 0

    def take(self, part: Part, name: str, facts: FeatureFacts) -> None:
        for code, detail in facts.faults:
            part.add(code, name, detail)
        if self.source.newer_than(name, facts.changed):
            if self.source.whole is None:
                part.add("feature_stale", name, self.source.words)
            else:  # one file for all clips: nobody can tell whose text has changed
                self.stale += 1
        if facts.shape is None:
            return
        rows, width = facts.shape
        self.rows.append(rows)
        self.widths[width] += 1
        self.kinds[facts.kind] += 1
        self.forms[name] = (width, facts.kind)
        if facts.level == 0.0:
            part.add("feature_zero", name)
        elif facts.level is not None:
            self.names.append(name)
            self.levels.append(facts.level)
            twin = self.digests.setdefault(facts.digest, name)
            if twin != name and self.source.modality != "T":  # many clips say "yes"
                part.add("feature_same", max(name, twin), f"as {min(name, twin)}")

    def finish(self, part: Part, utterance: bool) -> None:
        """What only shows when all files are known."""
        if self.stale:
            detail = f"{self.source.words} changed after {self.stale:,} of its features were made"
            part.add("feature_stale", part.title, detail)
        if not self.forms:
            return
        width, kind = self.widths.most_common(1)[0][0], self.kinds.most_common(1)[0][0]
        for name, (own_width, own_kind) in self.forms.items():
            if own_width != width:
                part.add("feature_width", name, f"{own_width}, most have {width}")
            if own_kind != kind:
                part.add("feature_dtype", name, f"{own_kind}, most are {kind}")
        if utterance and max(self.rows) > 1:
            part.add(
                "feature_rows", part.title, f"{sum(count > 1 for count in self.rows):,} files, up to {max(self.rows):,}"
            )
        for name, factor in outliers(self.names, self.levels):
            part.add("feature_outlier", name, f"{factor:.3g} times the median level")


def outliers(names: list[str], levels: list[float]) -> list[tuple[str, float]]:
    """(clip, level / median level) where the log level is far from the median by both measures."""
    if len(levels) < 5:
        return []
    logs = np.log(levels)
    middle = np.median(logs)
    width = 1.4826 * np.median(np.abs(logs - middle))  # the standard deviation, were they normal
    limit = max(OUTLIER_SPREADS * width, np.log(OUTLIER_FACTOR))
    return [
        (names[index], float(np.exp(logs[index] - middle))) for index in np.flatnonzero(np.abs(logs - middle) > limit)
    ]


def _facts(part: Part, seen: _Seen, entries: dict[str, str], subject: Subject) -> None:
    part.fact("files", f"{len(entries):,}" + (f" of {len(subject.names):,} clips" if subject.names else ""))
    if not seen.forms:
        return
    part.fact("width", census({str(width): count for width, count in seen.widths.items()}))
    part.fact("type", census(seen.kinds))
    if max(seen.rows) > 1:
        part.fact("rows", spread(seen.rows, "", 0))
    if seen.levels:
        part.fact("level (RMS)", ", ".join(f"{value:.4g}" for value in np.quantile(seen.levels, (0, 0.5, 1))))
    part.fact("source", seen.source.words or "unknown kind of feature; whether it is stale was not checked")
