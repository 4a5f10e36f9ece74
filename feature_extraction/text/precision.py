"""Which float type a text model computes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

# The reference halves its LLMs on a GPU (the smallest, ChatGLM2, has 6.2e9 parameters) and nothing smaller than that
# (the largest that stays in float32 is Wenzhong2.0-GPT2 with 3.5e9).
LLM_PARAMETERS = 5e9
_FLOAT32_ONLY = frozenset(("deberta",))  # the first version: transformers' code for it mixes float types in half


def choose_dtype(requested: str | None, config: PretrainedConfig, device: torch.device) -> str:
    """The `requested` one ("float32", "bfloat16", "float16"); else float16 for LLMs on a GPU, float32 for the rest.

    Raises:
        UserError: the requested one cannot be had for this kind of model.
    """
    if requested not in (None, "float32") and config.model_type in _FLOAT32_ONLY:
        raise UserError(f"--dtype {requested}: model_type {config.model_type!r} computes in float32 only; leave it out")
    if requested:
        return requested
    return "float16" if device.type != "cpu" and estimated_parameters(config) >= LLM_PARAMETERS else "float32"


def estimated_parameters(config: PretrainedConfig) -> float:
    """About how many weights a transformer has: 12 * layers * width^2 (attention 4, feed-forward 8), no embeddings.

    Counting them exactly would need the model itself, which for a model with code of its own means running that code.
    Within 25% for the models of the registry.
    """
    layers = getattr(config, "num_hidden_layers", None) or getattr(config, "num_layers", 0)  # ChatGLM: num_layers
    return 12.0 * layers * getattr(config, "hidden_size", 0) ** 2
