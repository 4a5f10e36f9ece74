"""Hugging Face models in local folders: finding them, naming what is wrong with them, loading them without noise."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_extraction.registry import FEATURES
from toolkit.globals import PATH_TO_PRETRAINED_MODELS
from toolkit.utils.errors import UserError
from toolkit.utils.quiet import quiet_transformers

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

CONFIG_FILE = "config.json"


def find_model_folder(model_name: str, model_dir: str | Path | None = None, tools: Path | None = None) -> Path:
    """The folder of a model: `model_dir` itself when given, else ``<tools>/transformers/<model_name>``.

    Raises:
        UserError: it holds no config.json; the message lists the models that exist and, when known, the hub id.
    """
    if "/" in model_name:
        raise UserError(
            f"--model_name {model_name!r}: give a folder's name below tools/transformers/ (it names the feature too), "
            f"for example {model_name.rstrip('/').rsplit('/', 1)[-1]}; --model_dir is for a folder elsewhere"
        )
    shelf = (tools or PATH_TO_PRETRAINED_MODELS) / "transformers"
    folder = Path(model_dir).expanduser().resolve() if model_dir else shelf / model_name
    if (folder / CONFIG_FILE).is_file():
        return folder
    hub_ids = [row.source for row in FEATURES if row.stem == model_name and row.weights.startswith("transformers/")]
    source = f"; download the files of {hub_ids[0]} from the Hugging Face hub into it" if hub_ids else ""
    present = sorted(path.parent.name for path in shelf.glob(f"*/{CONFIG_FILE}"))
    raise UserError(f"{folder} holds no {CONFIG_FILE}{source}; models in {shelf}: {', '.join(present) or 'none'}")


def read_model_type(folder: Path) -> str:
    """The ``model_type`` of a model's config.json, for example "whisper".

    Raises:
        UserError: config.json is not JSON, or names no model_type.
    """
    path = folder / CONFIG_FILE
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: not a readable JSON file ({error}); download it again") from error
    model_type = config.get("model_type") if isinstance(config, dict) else None
    if not isinstance(model_type, str):
        raise UserError(f"{path}: names no model_type; it is not the config of a transformers model")
    return model_type


def require_model_type(folder: Path, supported: Sequence[str]) -> str:
    """`read_model_type`, which must be one of `supported`.

    Raises:
        UserError: it is not; the message names the type found and the supported ones.
    """
    model_type = read_model_type(folder)
    if model_type not in supported:
        raise UserError(f"{folder}: model_type is {model_type!r}; supported so far: {', '.join(supported)}")
    return model_type


def load_model(auto_class: Any, folder: Path, device: torch.device) -> PreTrainedModel:
    """A model in float32 and eval mode on `device`, from local files only; remote code never runs.

    Raises:
        UserError: the folder cannot be loaded, or lacks weights (transformers would fill them with random numbers).
    """
    import torch

    with quiet_transformers():
        try:
            model, info = auto_class.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
            )
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise UserError(f"{folder}: cannot be loaded ({' '.join(str(error).split())})") from error
    # Pretraining checkpoints carry no pooler; no feature of ours reads it.
    missing = sorted(key for key in info["missing_keys"] if "pooler" not in key)
    if missing:
        raise UserError(
            f"{folder}: the weights lack {', '.join(missing[:5])} ({len(missing)} in all); download it again"
        )
    return model.eval().requires_grad_(False).to(device)
