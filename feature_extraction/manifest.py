"""``manifest.json`` of a feature folder: which model and formula its numbers come from.

It is written when a run starts, so that a killed run has left it too, and completed at the end. Jobs on the same folder
(shards, resumed runs) merge into it under a lock. A run by another model, formula or dtype is refused: the folder
would hold a mixture that nobody can tell apart.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import toolkit
from feature_extraction.finished import npy_files
from feature_extraction.manifest_fields import manifest_fault
from toolkit.utils import atomic
from toolkit.utils.errors import UserError

MANIFEST_FILE = "manifest.json"
KEPT = "kept_without_manifest"  # how many files were there before the first manifest; absent when none were
LOCK_FILE = ".manifest.lock"  # stays: removing a lock file that another job waits for would break the lock
PACKAGES = ("torch", "transformers", "numpy", "opensmile", "librosa", "soxr")


@dataclass(frozen=True)
class Identity:
    """What must agree for two runs to fill one folder; `model` holds name, fingerprint and hub revision."""

    feature: str
    level: str
    width: int
    dtype: str
    formula: str = ""
    model: dict[str, str] = field(default_factory=dict)


def claim_folder(folder: Path, identity: Identity, overwrite: bool) -> str:
    """State in `folder`'s manifest that a run of `identity` fills it; returns a remark for the user, or "".

    With `overwrite`, files of another or of unknown identity are removed first: they could not be told from the new
    ones, and a run that is killed would leave a mixture. Without it, files that were there before the first manifest
    are kept, and stay counted in it.

    Raises:
        UserError: the folder holds files of another identity, or its manifest is damaged, and `overwrite` is not set.
    """
    with locked(folder):
        try:
            older = read_manifest(folder)
        except UserError:
            if not overwrite:
                raise
            older = {}
        count = len(npy_files(folder))
        differences = _differences(older, identity)
        unknown = min(count, older.get(KEPT, 0) if older else count)  # files of which nobody knows what made them
        remark = ""
        if count and (differences or (unknown and overwrite)):
            origin = f"made with {differences}" if differences else "of unknown origin (made without a manifest)"
            if not overwrite:
                raise UserError(
                    f"{folder}: holds {count} features {origin}; mixing them would spoil the folder. "
                    "Move it away, or give --overwrite to remove them and extract all of it again"
                )
            for entry in npy_files(folder):
                Path(entry.path).unlink(missing_ok=True)
            remark = f"{folder.name}: {count} features {origin} were removed"
            older, unknown = {}, 0
        elif unknown:
            remark = (
                f"{folder.name}: {unknown} of its files were made without a manifest and are kept as they are; "
                "--overwrite removes all of it and extracts it again"
            )
        kept = {} if differences else older
        _write(folder, identity, {**kept, KEPT: unknown}, kept.get("counts", {}))
    return remark


def complete_manifest(folder: Path, identity: Identity, failed: int) -> None:
    """Bring the counts up to date at the end of a run; `failed` is the length of the folder's list of failures."""
    counts = {"files": len(npy_files(folder)), "failed": failed}
    try:
        older = read_manifest(folder)
    except UserError:  # damaged while the run went on: it is written anew
        older = {}
    _write(folder, identity, {**older, KEPT: min(older.get(KEPT, 0), counts["files"])}, counts)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of `folder`; {} when there is none.

    Raises:
        UserError: it is damaged, or a field of it is not what a manifest holds.
    """
    path = folder / MANIFEST_FILE
    fix = "remove it to keep the folder's features, or give --overwrite to extract all of it again"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a readable JSON file ({error}); {fix}") from error
    if fault := manifest_fault(manifest):
        raise UserError(f"{path}: not a manifest of this toolkit: {fault}; {fix}")
    return manifest


def _differences(older: dict[str, Any], identity: Identity) -> str:
    """What the manifest `older` says otherwise, as "dtype float32 (now bfloat16)"; "" when it agrees."""
    pairs = [(key, older.get(key), value) for key, value in asdict(identity).items() if key not in ("feature", "model")]
    model = older.get("model") or {}
    # the same model may lie in folders of other names; its files are what counts
    pairs += [
        (f"model {key}", model.get(key), identity.model[key]) for key in ("fingerprint",) if key in identity.model
    ]
    return ", ".join(f"{key} {old} (now {new})" for key, old, new in pairs if old is not None and old != new)


def _write(folder: Path, identity: Identity, older: dict[str, Any], counts: dict[str, int]) -> None:
    manifest = {
        **asdict(identity),
        "versions": _versions(older.get("versions") or {}),
        "counts": counts,
        "failures": "failures.csv" if counts.get("failed") else None,
    }
    if older.get(KEPT):
        manifest[KEPT] = older[KEPT]
    atomic.write_text(folder / MANIFEST_FILE, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


def _versions(older: dict[str, list[str]]) -> dict[str, list[str]]:
    """Package -> every version that took part, runs before this one included."""
    now = {"toolkit": toolkit.__version__}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            now[package] = version(package)
    return {name: sorted({*older.get(name, ()), number}) for name, number in now.items()}


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time inside the block, among those that work on `folder`.

    Where the system has no such locks, the block runs without: only counts could suffer.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with open(folder / LOCK_FILE, "a") as file:
        with contextlib.suppress(OSError):  # a network file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
