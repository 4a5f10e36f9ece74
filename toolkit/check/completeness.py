"""How many clips each feature folder of a corpus has, and of which shape: the short form of the check."""

from __future__ import annotations

import os
from pathlib import Path

from toolkit.check.feature_probe import probe_feature
from toolkit.data.features import list_feature_folders
from toolkit.data.labels import read_labels
from toolkit.globals import CorpusPaths, corpus_paths, known_datasets
from toolkit.utils.errors import UserError


def print_completeness(
    target_dataset: str | None, data_root: str | None, intermedia: str | None, suffix: str | None
) -> int:
    """Print every feature folder of the datasets with features; 1 when a folder lacks clips of the label file.

    Args:
        target_dataset: only this one.
        intermedia: only folders with this in their name.
        suffix: only folders whose name ends so.

    Raises:
        UserError: no such dataset, or no dataset has features.
    """
    datasets = [target_dataset] if target_dataset else known_datasets(data_root)
    status, found = 0, False
    for dataset in datasets:
        paths = corpus_paths(dataset, data_root)
        if not paths.features.is_dir():
            continue
        found = True
        folders = [
            folder
            for folder in list_feature_folders(paths.features)
            if (not suffix or folder.endswith(suffix)) and (not intermedia or intermedia in folder)
        ]
        print(f"====== {dataset} ======\nextracted feature numbers: {len(folders)}")
        names = _names(paths)
        for folder in folders:
            status |= _print_folder(paths.features / folder, names)
    if not found:
        places = corpus_paths(target_dataset, data_root).features if target_dataset else "any dataset"
        raise UserError(f"no features of {places}; give --data_root, or extract features first")
    return status


def _names(paths: CorpusPaths) -> set[str]:
    """The clips of the label file; without one nothing is said to be missing."""
    if not paths.label.exists():
        print(f"{paths.label} does not exist: how many are missing is not known")
        return set()
    return {name for labels in read_labels(paths.label).values() for name in labels}


def _print_folder(folder: Path, names: set[str]) -> int:
    with os.scandir(folder) as entries:
        clips = {
            entry.name.removesuffix(".npy"): entry.name
            for entry in sorted(entries, key=lambda entry: entry.name)
            if entry.name[0] != "." and (entry.name.endswith(".npy") or entry.is_dir())
        }
    shape = "none"
    if clips:
        first = probe_feature(folder / next(iter(clips.values())), read=False)
        rows, width = first.shape or (0, 0)
        shape = f"({width},)" if folder.name.endswith("UTT") and rows == 1 else f"({rows}, {width})"
        shape = shape if first.shape else first.faults[0][1]
    missing = sorted(names - clips.keys())
    lacks = f"  missing: {len(missing)}, e.g. {', '.join(missing[:3])}" if missing else ""
    print(f"{folder.name} => shape: {shape}  number: {len(clips)}{lacks}")
    return 1 if missing else 0
