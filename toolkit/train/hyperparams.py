"""The hyper-parameter space and the draw from it (SPEC 6)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.models import MODELS
from toolkit.utils.errors import UserError

SPACE_FILE = Path(__file__).resolve().parent.parent / "model-tune.yaml"
OPTIMISER_KEYS = ("lr", "grad_clip")
USUAL = {"grad_clip": -1.0, "lr": (1e-3, 1e-4)}  # of a model whose row states neither
WHOLE_KEYS = ("rank", "layers", "num_layers", "num_heads", "cpc_layers", "conv1d_kernel_size")


def read_space(model: str, hyper_path: str | Path | None = None) -> dict[str, list[Any]]:
    """The space of `model`, of its row in `MODELS` or of ``model-tune.yaml``: key -> list of values, keys in order.

    `hyper_path` names a yaml that fixes or narrows keys: ``{hidden_dim: 128, ...}``, or that below the model's name.

    Raises:
        UserError: the file is missing or unreadable, or holds a key that the model does not have.
    """
    stated = MODELS[model].space
    stated = _read_yaml(SPACE_FILE)[model] if stated is None else USUAL | dict(stated)
    space = {key: _as_list(value) for key, value in stated.items()}
    if hyper_path is None:
        return space
    given = _read_yaml(Path(hyper_path))
    given = given.get(model, given)
    if not isinstance(given, Mapping) or not given:
        raise UserError(f"{hyper_path}: no hyper-parameters for {model} in it")
    unknown = [str(key) for key in given if key not in space]
    if unknown:
        raise UserError(f"{hyper_path}: {model} has no {', '.join(unknown)}; it has {', '.join(space)}")
    space |= {key: _as_list(value) for key, value in given.items()}
    for key, values in space.items():
        problem = next((text for text in (_problem(key, value) for value in values) if text), "")
        if not values or problem:
            raise UserError(f"{hyper_path}: {key} {problem or 'has no value'}")
    return space


def _problem(key: str, value: Any) -> str:
    """What is wrong with one value of a hyper-parameter; "" if nothing."""
    if key == "recurrence":
        return "" if isinstance(value, str) else f"{value!r} is not a word"
    if not isinstance(value, (int, float)) or isinstance(value, bool) or value != value:
        return f"{value!r} is not a number"
    whole = key.endswith("_dim") or key in (
        "rank",
        "layers",
        "num_layers",
        "num_heads",
        "cpc_layers",
        "conv1d_kernel_size",
    )
    if whole and (value != int(value) or value < 1):
        return f"{value} is not a whole number of at least 1"
    if key.endswith("dropout") and not 0 <= value < 1:
        return f"{value} is not in [0, 1)"
    if key == "grad_clip":
        return "" if value == -1 or value > 0 else f"{value} is neither -1 (no clipping) nor above 0"
    return "" if value >= 0 else f"{value} is below 0"


def draw(space: Mapping[str, list[Any]], seed: int) -> dict[str, Any]:
    """One value per key, drawn uniformly; a function of (`space`, `seed`)."""
    generator = np.random.default_rng(seed)
    return {key: values[int(generator.integers(len(values)))] for key, values in space.items()}


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _read_yaml(path: Path) -> dict[str, Any]:
    from omegaconf import OmegaConf

    try:
        content = OmegaConf.to_container(OmegaConf.load(path))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except Exception as error:  # yaml raises many types for malformed text
        raise UserError(f"{path}: not a readable yaml file ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected `key: value` lines")
    return content
