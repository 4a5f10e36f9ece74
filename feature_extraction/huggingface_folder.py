"""Hugging Face models in local folders: finding them, naming what is wrong with them, loading them without noise."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_extraction.feature_table import FEATURES, TRANSFORMERS_WEIGHTS
from toolkit.globals import PATH_TO_PRETRAINED_MODELS
from toolkit.utils.errors import UserError
from toolkit.utils.quiet import quiet_transformers

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

CONFIG_FILE = "config.json"
WEIGHT_FILES = TRANSFORMERS_WEIGHTS
# Pretraining checkpoints carry no pooler, others no vector for masked frames; no feature of ours reads them.
UNREAD_WEIGHTS = ("pooler", "masked_spec_embed")


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


def read_config(folder: Path) -> dict[str, Any]:
    """A model's config.json.

    Raises:
        UserError: it is missing or not a JSON object.
    """
    path = folder / CONFIG_FILE
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: not a readable JSON file ({error}); download it again") from error
    if not isinstance(config, dict):
        raise UserError(f"{path}: names no model_type; it is not the config of a transformers model")
    return config


def read_model_type(folder: Path) -> str:
    """The ``model_type`` of a model's config.json, for example "whisper".

    Raises:
        UserError: config.json is not JSON, or names no model_type.
    """
    model_type = read_config(folder).get("model_type")
    if not isinstance(model_type, str):
        raise UserError(f"{folder / CONFIG_FILE}: names no model_type; it is not the config of a transformers model")
    return model_type


def weight_files(folder: Path) -> list[Path]:
    """The files of transformers' weights that loading `folder` would read, indexes included; [] when it has none.

    In transformers' order: safetensors before pickled files, one file before several with an index. Parts that an
    index names are listed whether they are there or not; of an index that cannot be read only itself.
    """
    for name in (WEIGHT_FILES[0], WEIGHT_FILES[2], WEIGHT_FILES[1], WEIGHT_FILES[3]):
        path = folder / name
        if path.is_file():
            return [path, *(folder / part for part in _parts(path))] if name.endswith(".json") else [path]
    return []


def _parts(index: Path) -> list[str]:
    try:
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def require_model_type(folder: Path, supported: Sequence[str]) -> str:
    """`read_model_type`, which must be one of `supported`.

    Raises:
        UserError: it is not; the message names the type found and the supported ones.
    """
    model_type = read_model_type(folder)
    if model_type not in supported:
        raise UserError(f"{folder}: model_type is {model_type!r}; supported so far: {', '.join(supported)}")
    return model_type


def require_files(folder: Path, *names: str) -> None:
    """The weights, and the files `names`, are in a model's folder.

    Raises:
        UserError: some are missing; the message names all of them and where they come from.
    """
    missing = [name for name in names if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in WEIGHT_FILES):
        missing.append(" or ".join(WEIGHT_FILES[:2]))
    if missing:
        sources = [row.source for row in FEATURES if row.weights == f"transformers/{folder.name}"]
        place = f"{sources[0]} on" if sources else "the model's page on"
        raise UserError(
            f"{folder}: cannot be loaded: lacks {', '.join(missing)}; get it from {place} the Hugging Face hub"
        )


def load_model(
    auto_class: Any,
    folder: Path,
    device: torch.device,
    *,
    dtype: torch.dtype | str = "float32",
    trust_remote_code: bool = False,
    **options: Any,
) -> PreTrainedModel:
    """A model in eval mode on `device`, in `dtype`, from local files only; remote code runs only when it is trusted.

    Further `options` go to ``from_pretrained``; with ``device_map`` among them the model stays where that puts it.

    Raises:
        UserError: the folder cannot be loaded, or lacks weights (transformers would fill them with random numbers).
    """
    import torch

    require_files(folder)
    with quiet_transformers():
        try:
            model, info = auto_class.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=trust_remote_code,
                dtype=getattr(torch, dtype) if isinstance(dtype, str) else dtype,
                output_loading_info=True,
                **options,
            )
        except Exception as error:  # damaged weights end in errors of many kinds
            from feature_extraction.torch_checkpoint import code_fault, plain_reason

            if fault := code_fault(error):
                raise UserError(f"{folder}: one of its weight files {fault}") from error
            raise UserError(f"{folder}: cannot be loaded ({plain_reason(error)})") from error
    missing = sorted(key for key in info["missing_keys"] if not any(part in key for part in UNREAD_WEIGHTS))
    if missing:
        raise UserError(
            f"{folder}: the weights lack {', '.join(missing[:5])} ({len(missing)} in all); download it again"
        )
    model = model.eval().requires_grad_(False)
    return model if options.get("device_map") is not None else model.to(device)
