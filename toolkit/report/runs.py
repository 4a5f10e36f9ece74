"""The runs a report is about: leaderboard rows as typed values. Damaged cells become "missing", never an error."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from toolkit.data.features import display_name
from toolkit.dataloader.corpora import Corpus, get_corpus
from toolkit.train import leaderboard
from toolkit.utils.errors import UserError
from toolkit.utils.metric import emoval

NAN = float("nan")
RESULTS = "result"  # the folder of results files inside a run folder
# Arguments that make two runs different experiments, so that their scores are never pooled.
SETTINGS = (
    "train_dataset test_dataset train_snr test_snr fusion_topn fusion_modality feat_scale epochs batch_size l2 debug "
    "extra_train"
).split()


@dataclass(frozen=True)
class Run:
    """One leaderboard row; `folder` is where its files are relative to. Missing numbers are NaN."""

    folder: Path
    row: Mapping[str, str]

    def text(self, column: str) -> str:
        """A cell as it is in the file; empty when the file has no such column."""
        return self.row.get(column) or ""

    def number(self, column: str) -> float:
        """A cell as a finite number, else NaN."""
        return as_number(self.text(column))

    @cached_property
    def hyper(self) -> dict[str, Any]:
        return _json(self.text("hyper"), dict)

    @cached_property
    def args(self) -> dict[str, Any]:
        return _json(self.text("args"), dict)

    @cached_property
    def versions(self) -> dict[str, Any]:
        return _json(self.text("versions"), dict)

    @cached_property
    def fold_f1(self) -> list[float]:
        return [value for value in map(as_number, _json(self.text("fold_f1"), list)) if math.isfinite(value)]

    @property
    def ok(self) -> bool:
        return self.text("status") != "failed"

    @property
    def repeat(self) -> bool:
        return self.text("phase") == "repeat"

    @cached_property
    def f1(self) -> float:
        return self.number("f1")

    @cached_property
    def dataset(self) -> str:
        """The corpus, or ``train -> test`` of a cross-corpus run."""
        train, test = self.args.get("train_dataset"), self.args.get("test_dataset")
        return f"{train} \u2192 {test}" if train and test else self.text("dataset")

    @cached_property
    def inputs(self) -> list[tuple[str, str]]:
        """(modality or "", feature folder) of each input, in the model's order."""
        listed = [name for name in _json(self.text("features"), list) if isinstance(name, str)]
        if listed and len(listed) != 3:  # top-n fusion
            return [("", name) for name in listed]
        return [(modality, name) for modality in ("audio", "text", "video") for name in _names(self.text(modality))]

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The distinct feature folders."""
        return tuple(dict.fromkeys(name for _, name in self.inputs))

    @cached_property
    def feature_names(self) -> str:
        """Display names of the distinct features."""
        return " + ".join(dict.fromkeys(map(shown_name, self.features)))

    @cached_property
    def label(self) -> str:
        """What the run was given, short enough for a chart."""
        topn = self.args.get("fusion_topn")
        if topn:
            return f"top-{topn} {self.args.get('fusion_modality') or ''}".strip()
        return self.feature_names or "(no features named)"

    @cached_property
    def settings(self) -> dict[str, Any]:
        topn = self.args.get("fusion_topn")
        return {
            key: self.args[key]
            for key in SETTINGS
            if self.args.get(key) not in (None, "", False) and (topn or key != "fusion_modality")
        }

    @cached_property
    def corpus(self) -> Corpus | None:
        """The corpus' row; None for cross-corpus runs, and for a corpus of the user's own that is gone."""
        try:
            return get_corpus(self.text("dataset"), self.args.get("data_root"))
        except UserError:
            return None

    @cached_property
    def metric(self) -> str:
        """What the best run is chosen by: the corpus' ``emoval`` or ``loss`` where the run has it, else ``f1``."""
        metric = self.corpus.metric if self.corpus else self.args.get("metric_name")
        needed = {"emoval": "mse", "loss": "loss"}.get(metric)
        return metric if needed and math.isfinite(self.number(needed)) else "f1"

    @cached_property
    def score(self) -> float:
        """The value of `metric`, higher is better."""
        if self.metric == "loss":
            return -self.number("loss")
        return emoval(self.f1, self.number("mse")) if self.metric == "emoval" else self.f1

    def file(self, name: str) -> Path | None:
        """Path of one of the run's files, None when the row names none."""
        relative = _json(self.text("files"), dict).get(name)
        return self.folder / relative if isinstance(relative, str) and relative else None


def collect(places: Sequence[str]) -> list[Run]:
    """Every run below `places`, in the order of the folders' names; a run recorded twice in a folder counts once.

    Raises:
        UserError: a place without any run, or a damaged leaderboard.
    """
    folders: dict[Path, Path] = {}
    for place in places:
        found = _run_folders(Path(place))
        if not found:
            raise UserError(
                f"{place}: no {leaderboard.FILE_NAME} in it, in its folders, or in {place}-*; "
                "train first, or give the folders that the training wrote"
            )
        folders |= {folder.resolve(): folder for folder in found if folder.resolve() not in folders}
    runs = [run for folder in folders.values() for run in _read(folder)]
    if not runs:
        raise UserError(f"{', '.join(map(str, places))}: no finished run in the leaderboard; train first")
    return runs


def as_number(value: Any) -> float:
    """A finite float, else NaN."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return NAN
    return number if math.isfinite(number) else NAN


def shown_name(feature: str) -> str:
    """`display_name`, with the folder's own name where it is not a feature name."""
    try:
        return display_name(feature)
    except UserError:
        return feature


def _run_folders(place: Path) -> list[Path]:
    if (place / leaderboard.FILE_NAME).is_file() and (place / RESULTS).is_dir():
        return [place]
    below = sorted(place.iterdir()) if place.is_dir() else []
    parent = place.parent
    beside = sorted(parent.iterdir()) if place.name and parent.is_dir() else []
    candidates = [*below, *(folder for folder in beside if folder.name.startswith(f"{place.name}-"))]
    found = [folder for folder in (*candidates, place) if (folder / leaderboard.FILE_NAME).is_file()]
    # A leaderboard without results beside it is a merged copy (toolkit.train.summary): the last resort.
    return [folder for folder in found if (folder / RESULTS).is_dir()] or found


def _read(folder: Path) -> list[Run]:
    path = folder / leaderboard.FILE_NAME
    try:
        rows = leaderboard.read(folder)
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path} is damaged ({error}); restore it or move it away") from error
    kept: dict[str, Run] = {}
    for number, row in enumerate(rows):
        run = Run(Path(row.get("folder") or folder), row)  # a merged copy names the folder of each run
        key = f"{run.folder} {row.get('run_id') or number}"
        if run.ok or key not in kept or not kept[key].ok:  # the newest row, but a success beats a failure
            kept[key] = run
    return list(kept.values())


def _json(text: str, kind: type) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return kind()
    return value if isinstance(value, kind) else kind()


def _names(cell: str) -> list[str]:
    """Feature folders of one cell: one name, a JSON list, or names joined by "+" (top-n fusion)."""
    listed = [name for name in _json(cell, list) if isinstance(name, str)]
    if listed:
        return listed
    parts = [part for part in cell.split("+") if part]
    whole = all(part.endswith(("UTT", "FRA")) for part in parts)
    return parts if len(parts) > 1 and whole else [cell] if cell else []
