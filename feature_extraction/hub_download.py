"""``--download``: a model of the registry from the Hugging Face hub, for users who can reach it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from feature_extraction.feature_table import FEATURES
from feature_extraction.huggingface_folder import read_config, require_files
from feature_extraction.text.model_files import check_tokenizer_files, check_weights
from toolkit.globals import PATH_TO_PRETRAINED_MODELS
from toolkit.utils.errors import UserError

# Weights for other frameworks, and files that are not needed to run a model.
LEFT_OUT = ("*.h5", "*.msgpack", "*.ot", "*.onnx", "onnx/*", "openvino/*", "*.tflite", "*.mlmodel", "coreml/*")
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")  # left out where there are safetensors


def download(name: str, tools: Path = PATH_TO_PRETRAINED_MODELS) -> Path:
    """Put the model `name` into ``<tools>/transformers/<name>``; a download that was interrupted goes on.

    The folder appears when all files are there; one that exists and lacks files is completed in its place. An
    HF_HUB_OFFLINE that the driver sets is lifted for this command; HF_TOKEN and HF_ENDPOINT are respected.

    Raises:
        UserError: the name has no hub id, its place is taken by something else, or the download fails.
    """
    rows = [row for row in FEATURES if row.stem == name and row.weights.startswith("transformers/")]
    if not rows:
        raise UserError(
            f"{name!r} has no source on the Hugging Face hub in the registry (see `./run-mer2024.sh models`)"
        )
    target = tools / rows[0].weights
    if target.exists() and not target.is_dir():
        raise UserError(f"{target} is not a folder; move it away and run the command again")
    lacking = folder_fault(target, rows[0].modality)
    if not lacking:
        return target
    source = rows[0].source
    part = target if target.is_dir() else target.with_name(f".{target.name}.download")
    part.mkdir(parents=True, exist_ok=True)
    if part == target:
        print(f"completing an existing folder: {lacking}", file=sys.stderr)
    os.environ["HF_HUB_OFFLINE"] = "0"  # read when huggingface_hub is imported
    try:
        import huggingface_hub

        files = huggingface_hub.list_repo_files(source)
        safe = any(file.endswith(".safetensors") for file in files)
        ignored = [*LEFT_OUT, *PICKLED] if safe else list(LEFT_OUT)
        huggingface_hub.snapshot_download(source, local_dir=part, ignore_patterns=ignored)
    except ImportError as error:
        raise UserError(f"downloading needs the package huggingface_hub ({error})") from error
    except Exception as error:  # the hub's errors: no network, no such model, no access, no space left
        reason = " ".join(str(error).split())
        raise UserError(
            f"{source} could not be downloaded ({type(error).__name__}: {reason}); run the command again to go on, "
            f"or put its files into {target} by hand"
        ) from error
    if fault := folder_fault(part, rows[0].modality):
        raise UserError(f"{source} was downloaded and is not complete: {fault}; what there is lies in {part}")
    if part != target:
        part.rename(target)
    return target


def folder_fault(folder: Path, modality: str) -> str:
    """What a model's folder lacks of what its extractor reads, or has damaged, in one line; "" when it has all."""
    try:
        read_config(folder)
        check_weights(folder)
        if modality == "text":
            check_tokenizer_files(folder)
        elif modality == "audio":
            require_files(folder, "preprocessor_config.json")
    except UserError as error:
        return str(error)
    return ""
