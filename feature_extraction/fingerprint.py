"""Telling models apart by their files: quick even for weights of 26 GB."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from feature_extraction.huggingface_folder import CONFIG_FILE, weight_files

SAMPLED_BYTES = 1 << 20  # read at the start, the middle and the end of each file
# What a folder holds whose weights are not in transformers' files: other libraries' checkpoints.
_OTHER_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".hdf5", ".h5", ".npz", ".conf")
_SETTINGS = ("config.json", "preprocessor_config.json", "config.yaml")
_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "spm.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
)
_COMMIT = re.compile(r"[0-9a-f]{40}")


def fingerprint(place: Path, tokenizer: bool = False) -> str:
    """``sha256:...`` over a weights file, or over the config and weight files of a model's folder.

    Only what would be loaded counts: config.json, the feature extractor's settings, with `tokenizer` the tokenizer's
    files and the folder's own code, and the weights that `weight_files` names (a folder without such: every checkpoint
    in it). Names, sizes, and the first, middle and last MiB of each file enter, not every byte: two trainings of one
    architecture differ there, and a start must not take a minute. "" when there is nothing to read.
    """
    files = [place] if place.is_file() else _files(place, tokenizer)
    digest = hashlib.sha256()
    for path in files:
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\0".encode("utf-8", "surrogateescape"))
        with path.open("rb") as file:
            for start in sorted({0, max(0, size // 2 - SAMPLED_BYTES // 2), max(0, size - SAMPLED_BYTES)}):
                file.seek(start)
                digest.update(file.read(SAMPLED_BYTES))
    return f"sha256:{digest.hexdigest()}" if files else ""


def hub_revision(folder: Path) -> str:
    """The commit of the Hugging Face hub that the folder was downloaded from; "" when that is not recorded."""
    record = folder / ".cache" / "huggingface" / "download" / "config.json.metadata"
    try:
        first = record.read_text(encoding="utf-8").split("\n", 1)[0].strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return first if _COMMIT.fullmatch(first) else ""


def _files(folder: Path, tokenizer: bool) -> list[Path]:
    names = {*_SETTINGS, *(_TOKENIZER if tokenizer else ())}
    chosen = {folder / name for name in names}
    config = folder / CONFIG_FILE
    if tokenizer and config.is_file() and "auto_map" in config.read_text(encoding="utf-8", errors="replace"):
        chosen.update(folder.glob("*.py"))
    weights = weight_files(folder)
    chosen.update(weights or (path for path in folder.glob("*") if path.suffix in _OTHER_WEIGHTS))
    return sorted(path for path in chosen if path.is_file())
