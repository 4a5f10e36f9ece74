"""``--features``: which samples the feature folders of a model hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolkit.data.features import find_feature_folders
from toolkit.data.listing import scan_folder
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv


def folder_samples(
    features_root: str, features: Sequence[str], names_csv: str | None = None
) -> tuple[list[Path], list[str], dict[str, str]]:
    """The folder of each input, the samples that all of them have, and the samples that some of them lack.

    Args:
        features_root: holds the feature folders.
        features: the folder's name of each input.
        names_csv: a csv whose column ``name`` says which samples, in this order; None: all, in name order.

    Returns:
        folders, names, and name -> what is missing.

    Raises:
        UserError: a folder is missing (all that are, and those there, are named), or there are no samples at all.
    """
    root = Path(features_root).expanduser()
    if not root.is_dir():
        raise UserError(f"--features {features_root}: no such folder")
    folders = find_feature_folders(root, features)
    held = {folder: scan_folder(folder).samples().keys() for folder in dict.fromkeys(folders)}
    if names_csv is None:
        asked = sorted(set().union(*held.values()))
    else:
        asked = [row["name"] for row in read_csv(Path(names_csv).expanduser(), ("name",), unique="name")]
    if not asked:
        raise UserError(f"{names_csv or root}: no samples")
    missing: dict[str, str] = {}
    for name in [name for name in asked if not _is_text(name)]:
        shown = name.encode("utf-8", "backslashreplace").decode("utf-8")
        missing[shown] = f"its file's name in {root} is not UTF-8; rename it"
        asked.remove(name)
    for name in asked:
        lacking = [folder.name for folder, names in held.items() if name not in names]
        if lacking:
            missing[name] = f"no feature in {', '.join(lacking)} of {root}"
    return folders, [name for name in asked if name not in missing], missing


def _is_text(name: str) -> bool:
    """Whether `name` can be written into a file; names of old archives may hold other bytes."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
