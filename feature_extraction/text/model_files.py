"""The files of a Hugging Face text model's folder: what is missing or broken, said before a library guesses."""

from __future__ import annotations

import json
from pathlib import Path

from feature_extraction.feature_table import FEATURES
from toolkit.utils.errors import UserError

SINGLE_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "tokenizer.model", "spm.model")
SENTENCEPIECE_FILES = ("spiece.model", "tokenizer.model", "spm.model", "sentencepiece.bpe.model")
_LFS_POINTER = b"version https://git-lfs"
_POINTER_BYTES = 1024  # a Git LFS pointer has about 130


def download_hint(folder: Path) -> str:
    """Where to get the files of `folder`: the hub id when the registry knows the name."""
    sources = [row.source for row in FEATURES if row.stem == folder.name and row.weights.startswith("transformers/")]
    return f"download them from {sources[0] if sources else 'its page'} on the Hugging Face hub"


def check_weights(folder: Path) -> None:
    """The weights are there, with all their parts, and are not Git LFS pointers.

    Raises:
        UserError: names the file that is missing or is a pointer, and where to get it.
    """
    for name in SINGLE_WEIGHTS:
        if (folder / name).is_file():
            return _check_real(folder, [name])
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _check_real(folder, _parts(index))
    other = sorted(path.name for path in folder.glob("*") if path.suffix in (".h5", ".msgpack", ".gguf"))
    found = f" (it holds {', '.join(other)}, which is for another library)" if other else ""
    raise UserError(f"{folder}: holds neither {' nor '.join(SINGLE_WEIGHTS)}{found}; {download_hint(folder)}")


def check_tokenizer_files(folder: Path) -> None:
    """At least one file that a tokenizer is made from is there; with code of its own, any name will do.

    Raises:
        UserError: names the files that are looked for.
    """
    names = {path.name for path in folder.glob("*")}
    own_code = any(name.startswith("tokenization") for name in names)
    found = sorted(names & {*TOKENIZER_FILES, *SENTENCEPIECE_FILES})
    if not found and not own_code:
        raise UserError(
            f"{folder}: holds no tokenizer files (none of {', '.join(TOKENIZER_FILES)}); {download_hint(folder)}"
        )
    _check_real(folder, found)


def only_vocab_txt(folder: Path) -> bool:
    """Whether `vocab.txt` is all the folder says about its tokenizer: a BERT tokenizer, whatever the model's family.

    Chinese ALBERT, GPT-2 and DeBERTa models come so; their family's own tokenizer would look for other files.
    """
    names = {path.name for path in folder.glob("*")}
    others = {*TOKENIZER_FILES, *SENTENCEPIECE_FILES} - {"vocab.txt"}
    return "vocab.txt" in names and not names & others and "tokenizer_class" not in tokenizer_config(folder)


def tokenizer_config(folder: Path) -> dict[str, object]:
    """What tokenizer_config.json says; {} when there is none.

    Raises:
        UserError: it is damaged.
    """
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return {}
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not a readable JSON file ({error}); download it again") from error
    return config if isinstance(config, dict) else {}


def _parts(index: Path) -> list[str]:
    """The file names that a ``...index.json`` lists."""
    try:
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{index}: not a readable list of weight files ({error}); download it again") from error


def _check_real(folder: Path, names: list[str]) -> None:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        count = f" ({len(missing)} of {len(names)} parts are missing)" if len(names) > 1 else ""
        raise UserError(f"{folder / missing[0]} does not exist{count}; {download_hint(folder)}")
    for name in names:
        path = folder / name
        if path.stat().st_size < _POINTER_BYTES and path.read_bytes().startswith(_LFS_POINTER):
            raise UserError(f"{path}: is a Git LFS pointer, not the file itself; run `git lfs pull` in {folder}")
