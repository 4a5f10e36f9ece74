"""Where a vision model lies: a transformers folder, or a timm folder (EVA-02)."""

from __future__ import annotations

from pathlib import Path

from feature_extraction.feature_table import FEATURES
from feature_extraction.huggingface_folder import CONFIG_FILE, read_config
from toolkit.globals import PATH_TO_PRETRAINED_MODELS
from toolkit.utils.errors import UserError

TIMM_WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # as timm's pages on the Hugging Face hub name them


def find_timm_folder(model_name: str, model_dir: str | Path | None = None, tools: Path | None = None) -> Path | None:
    """The folder of a timm model; None when the name and the folder are not those of one.

    It is ``<tools>/timm/<model_name>``, or `model_dir` when that holds no config of a transformers model. A name is
    known with and without what follows its dot: eva02_base_patch14_224[.mim_in22k].

    Raises:
        UserError: it is a timm model, but its weights are not there; the message says where to get them.
    """
    if "/" in model_name:
        return None
    known = {name: row for row in FEATURES if row.weights.startswith("timm/") for name in _names(row.weights)}
    row = known.get(model_name)
    below_tools = (tools or PATH_TO_PRETRAINED_MODELS) / (row.weights if row else f"timm/{model_name}")
    folder = Path(model_dir).expanduser().resolve() if model_dir else below_tools
    if row is None and not (_is_timm(folder) if model_dir else folder.is_dir()):
        return None
    if not any((folder / name).is_file() for name in TIMM_WEIGHTS):
        source = row.source if row else f"timm/{folder.name}"
        raise UserError(
            f"{folder} holds no {' or '.join(TIMM_WEIGHTS)}; put the files of {source} from the Hugging Face hub there"
        )
    return folder


def timm_architecture(folder: Path, model_name: str) -> tuple[str, dict]:
    """Name for ``timm.create_model`` and the settings of pictures that the folder's config.json states, if any."""
    if not (folder / CONFIG_FILE).is_file():
        return model_name, {}
    config = read_config(folder)
    settings = config.get("pretrained_cfg") or {}
    keys = ("input_size", "fixed_input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std", "num_classes")
    return config.get("architecture", model_name), {key: settings[key] for key in keys if key in settings}


def _names(weights: str) -> tuple[str, str]:
    name = Path(weights).name
    return name, name.split(".")[0]


def _is_timm(folder: Path) -> bool:
    if not (folder / CONFIG_FILE).is_file():
        return False
    config = read_config(folder)
    return "architecture" in config and "model_type" not in config
