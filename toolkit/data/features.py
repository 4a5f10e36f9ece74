"""Feature folders: their names, and reading one sample's array with errors that name the file.

A feature folder is ``<stem><sep><UTT|FRA>``. ``UTT`` holds one ``(D,)`` array per sample, ``FRA`` one ``(T, D)``. A
sample is a file ``<name>.npy`` or a folder ``<name>/`` of per-frame ``.npy`` files read in sorted order. ``<sep>`` is
data (`toolkit.globals.UNDERSCORE_STEMS`); readers accept both separators.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from toolkit.globals import UNDERSCORE_STEMS, featname_mapping
from toolkit.utils.errors import UserError

LEVEL_SUFFIX = {"UTTERANCE": "UTT", "FRAME": "FRA"}
_FOLDER_NAME = re.compile(r"^(?P<stem>.+)(?P<separator>[-_])(?P<suffix>UTT|FRA)$")
_INFIX = re.compile(r"-(noise[^-]*|langeng|punc[^-]*|tts(?:chi|eng)).*$")


def feature_folder_name(stem: str, level: str) -> str:
    """Folder name of a feature, for example ``eGeMAPS_UTT`` or ``chinese-hubert-large-FRA``.

    The separator belongs to the feature: an infix (``-noisesnr5``) at the end of `stem` does not change it.
    """
    separator = "_" if _INFIX.sub("", stem) in UNDERSCORE_STEMS else "-"
    return f"{stem}{separator}{LEVEL_SUFFIX[level]}"


def split_feature_name(feature: str) -> tuple[str, str, str]:
    """``"eGeMAPS_UTT"`` -> ``("eGeMAPS", "_", "UTT")``.

    Raises:
        UserError: the name does not end in UTT or FRA.
    """
    match = _FOLDER_NAME.match(feature)
    if match is None:
        raise UserError(
            f"feature {feature!r} does not end in -UTT, _UTT, -FRA or _FRA; "
            "give the folder's full name, for example eGeMAPS_UTT"
        )
    return match["stem"], match["separator"], match["suffix"]


def display_name(feature: str) -> str:
    """The name used in tables and papers; the stem itself when the mapping has none."""
    stem, _, _ = split_feature_name(feature)
    return featname_mapping.get(stem, stem)


def list_feature_folders(features_root: Path) -> list[str]:
    """Names of the feature folders below `features_root`, sorted; empty when there is no such folder."""
    if not features_root.is_dir():
        return []
    return sorted(entry.name for entry in features_root.iterdir() if entry.is_dir() and _FOLDER_NAME.match(entry.name))


def plain_stem(stem: str) -> str:
    """`stem` without the infixes of a condition: ``"eGeMAPS-noisesnr5"`` -> ``"eGeMAPS"``; ``sunlicai-`` goes too."""
    return _INFIX.sub("", stem).removeprefix("sunlicai-")


def find_feature_folder(features_root: Path, feature: str) -> Path:
    """The folder of `feature`, with either separator.

    Raises:
        UserError: there is none; the message lists the folders that exist.
    """
    return find_feature_folders(features_root, [feature])[0]


def find_feature_folders(features_root: Path, features: Sequence[str]) -> list[Path]:
    """The folder of each feature, with either separator.

    Raises:
        UserError: some are missing; the message names all of them and lists the folders that exist.
    """
    found = {feature: _existing(features_root, feature) for feature in features}
    missing = [feature for feature, folder in found.items() if folder is None]
    if missing:
        raise UserError(missing_folders(features_root, missing))
    return [found[feature] for feature in features]


def missing_folders(features_root: Path, missing: Sequence[str]) -> str:
    """The sentence for feature folders that are not there."""
    existing = list_feature_folders(features_root)
    listed = ", ".join(existing) if existing else "none yet: run the extraction scripts first (see README)"
    if len(missing) == 1:
        return f"no feature folder {features_root / missing[0]}; folders there: {listed}"
    return f"no feature folders {', '.join(missing)} in {features_root}; folders there: {listed}"


def find_noisy_folder(features_root: Path, feature: str, infix: str) -> Path | None:
    """The folder of `feature` under a condition, None when there is none.

    For ``a-UTT`` and ``noisesnr5``: ``a-noisesnr5-UTT``, ``a_noisesnr5-UTT``, each with either separator; the bare
    ``snr5`` also stands for ``noisesnr5``.
    """
    stem, separator, suffix = split_feature_name(feature)
    for condition in (infix, f"noise{infix}") if infix.startswith("snr") else (infix,):
        for joint in "-_":
            folder = _existing(features_root, f"{stem}{joint}{condition}{separator}{suffix}")
            if folder is not None:
                return folder
    return None


def _existing(features_root: Path, feature: str) -> Path | None:
    stem, separator, suffix = split_feature_name(feature)
    for candidate in (separator, "-" if separator == "_" else "_"):
        folder = features_root / f"{stem}{candidate}{suffix}"
        if folder.is_dir():
            return folder
    return None


def feature_path(folder: Path, name: str) -> Path:
    """The file ``<name>.npy``, or the folder of frames ``<name>``, of one sample.

    Raises:
        UserError: neither exists.
    """
    for path in (folder / f"{name}.npy", folder / name):
        if path.exists():
            return path
    raise UserError(f"sample {name!r} has no feature: neither {folder / name}.npy nor a folder of that name exists")


def count_missing(folders: Sequence[Path], names: Sequence[str]) -> str:
    """What to add to the first missing sample's error: how many each folder lacks; "" when none lacks several."""
    lacking = []
    for folder in folders:
        count = sum(not (folder / f"{name}.npy").exists() and not (folder / name).exists() for name in names)
        if count > 1:
            lacking.append(f"{folder.name} lacks {count} of {len(names)} samples")
    return f"; {', '.join(lacking)}: extract again what is missing" if lacking else ""


def read_feature(folder: Path, name: str, width: int | None = None) -> np.ndarray:
    """One sample's feature as ``(T, D)`` float32, T >= 1, all values finite.

    Stored shapes ``(D,)``, ``(1, D)`` and ``(T, D)`` are accepted. `width` is the D that the rest of the folder has.

    Raises:
        UserError: missing, unreadable, empty, not finite, or of another width; the message names the file.
    """
    path = feature_path(folder, name)
    rows = _load(path) if path.is_file() else _load_frames(path)
    if rows.ndim == 1:
        rows = rows[np.newaxis]
    if rows.ndim != 2:
        raise UserError(f"{path}: expected an array (D,) or (T, D), found shape {rows.shape}; extract it again")
    if rows.size == 0:
        raise UserError(f"{path}: the array is empty, shape {rows.shape}; extract it again")
    if width is not None and rows.shape[1] != width:
        raise UserError(
            f"{path}: width {rows.shape[1]}, but the other samples of {folder.name} have {width}; "
            "extract this sample again with the same model"
        )
    if not np.isfinite(rows).all():
        raise UserError(f"{path}: contains NaN or infinity; remove the file and extract this sample again")
    return rows


def _load_frames(folder: Path) -> np.ndarray:
    files = sorted(folder.glob("*.npy"))
    if not files:
        raise UserError(f"{folder}: a folder of frames without any .npy file; extract this sample again")
    frames = [_load(file).reshape(-1) for file in files]
    widths = {frame.shape[0] for frame in frames}
    if len(widths) > 1:
        raise UserError(f"{folder}: frames of different widths {sorted(widths)}; extract this sample again")
    return np.stack(frames)


def _load(path: Path) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except Exception as error:  # numpy parses headers as Python and zips as zips, which fails in many ways
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: not a readable .npy array ({reason}); remove it and extract it again") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise UserError(f"{path}: not an array of numbers; remove it and extract it again")
    return array.astype(np.float32, copy=False)
