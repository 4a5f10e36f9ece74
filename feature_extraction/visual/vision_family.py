"""What a vision model's config says: which frames it is given, and how its output becomes rows.

| model_type | frames | rows |
| clip, siglip, chinese_clip, ... (models of texts and images) | every one | projected image embedding |
| videomae | 16 spread evenly, or two clips of 16 at stride 4 | mean over the patches of each tubelet step |
| dinov2, dinov2_with_registers | 64 spread evenly | sum over tokens of the last hidden state |
| any other (data2vec-vision, beit, vit, swin, convnext, ...) | every one | the same (maps: sum over places) |
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_extraction.huggingface_folder import CONFIG_FILE, read_model_type
from feature_extraction.visual.timm_loading import allow_torchvision
from feature_extraction.visual.vision_frames import Sampling
from toolkit.utils.errors import UserError
from toolkit.utils.quiet import quiet_transformers

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

VIDEOMAE_TYPES = ("uniform", "sunlicai")
DINOV2 = ("dinov2", "dinov2_with_registers")
DINOV2_FRAMES = 64
_TOKENS = "sum over tokens of the last hidden state"


@dataclass(frozen=True)
class Family:
    """How models of one kind are used: which frames, which `rule` ("embedding", "tokens", "tubelets"), in words."""

    sampling: Sampling
    rule: str
    formula: str


def vision_family(config: PretrainedConfig, folder: Path, videomae_type: str = "uniform") -> Family:
    """The family of a config.

    Raises:
        UserError: not a vision model, a video model other than VideoMAE, or `videomae_type` for another model.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES as VIDEO_MODELS
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    kind = config.model_type
    if videomae_type == "sunlicai" and kind != "videomae":
        raise UserError(f"--videomae_type sunlicai is for VideoMAE, but the model_type of {folder} is {kind!r}")
    model_class = MODEL_MAPPING.get(type(config), None)
    if kind == "videomae":
        frames = config.num_frames
        if videomae_type == "sunlicai":
            sampling, words = Sampling(frames, 2), f"two {frames}-frame clips at stride 4"
        else:
            sampling, words = Sampling(frames, 1), f"{frames} uniformly sampled frames"
        return Family(sampling, "tubelets", f"mean over the patches of each tubelet step, {words}")
    if kind in VIDEO_MODELS:
        raise UserError(f"{folder}: model_type {kind!r} takes videos; of the video models only videomae is supported")
    if hasattr(model_class, "get_image_features"):
        return Family(Sampling(), "embedding", "projected image embedding of every frame")
    if getattr(model_class, "main_input_name", None) != "pixel_values":
        raise UserError(
            f"{folder}: model_type {kind!r} is no vision model; text models go to extract_text_huggingface.py, "
            "speech models to extract_audio_huggingface.py"
        )
    if kind in DINOV2:
        return Family(Sampling(DINOV2_FRAMES), "tokens", f"{_TOKENS}, {DINOV2_FRAMES} uniformly sampled frames")
    return Family(Sampling(), "tokens", f"{_TOKENS}, every frame")


def load_vision_config(folder: Path) -> PretrainedConfig:
    """The config of a model that transformers has a class for.

    Raises:
        UserError: it has none, or config.json cannot be read.
    """
    allow_torchvision()
    from transformers import CONFIG_MAPPING, AutoConfig, __version__

    model_type = read_model_type(folder)
    if model_type not in CONFIG_MAPPING:
        raise UserError(f"{folder}: model_type {model_type!r} is unknown to transformers {__version__}")
    with quiet_transformers():
        try:
            config = AutoConfig.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # values of a wrong kind raise anything
            raise UserError(f"{folder / CONFIG_FILE}: cannot be read ({' '.join(str(error).split())})") from error
    if hasattr(config, "mask_ratio"):
        config.mask_ratio = 0.0  # ViT-MAE would hide three quarters of the picture, other ones at each call
    return config


def features(model: Any, rule: str, x: torch.Tensor) -> torch.Tensor:
    """Pictures ``(N, 3, H, W)`` -> ``(N, D)``; windows ``(N, T, 3, H, W)`` -> ``(N, steps, D)``; float32."""
    if rule == "embedding":
        found = model.get_image_features(pixel_values=x)
        return (found if hasattr(found, "float") else found.pooler_output).float()
    hidden = model(pixel_values=x).last_hidden_state.float()
    if rule == "tubelets":  # tokens lie step by step
        return hidden.unflatten(1, (x.shape[1] // model.config.tubelet_size, -1)).mean(dim=2)
    return hidden.flatten(2).sum(dim=2) if hidden.ndim == 4 else hidden.sum(dim=1)  # (N, C, H, W) or (N, tokens, D)


def feature_width(config: PretrainedConfig, family: Family, folder: Path) -> int:
    """D, as the config states it.

    (A trial run on torch's "meta" device would tell too, but some models of transformers keep tensors in caches that
    all copies of a model share: they gave wrong numbers afterwards.)

    Raises:
        UserError: the config does not state it.
    """
    if family.rule == "embedding":
        width = getattr(config, "projection_dim", None) or getattr(
            getattr(config, "vision_config", None), "hidden_size", None
        )
    else:
        width = getattr(config, "hidden_size", None) or (getattr(config, "hidden_sizes", None) or [None])[-1]
    if not isinstance(width, int):
        raise UserError(
            f"{folder / CONFIG_FILE}: states no hidden_size or projection_dim, which is the feature's width"
        )
    return width


def require_fit(model: Any, family: Family, picture: tuple[int, int, int], width: int, folder: Path) -> None:
    """Run a black picture of the processor's size through the model.

    Raises:
        UserError: the model does not take it, or does not give rows of `width`.
    """
    import torch

    shape = (1, family.sampling.window, *picture) if family.sampling.windows else (1, *picture)
    try:
        with torch.inference_mode():
            found = features(model, family.rule, torch.zeros(shape, device=model.device, dtype=model.dtype))
    except Exception as error:  # a model that does not fit fails in its own way
        raise UserError(
            f"{folder}: the model does not take the pictures {picture} that its image processor makes "
            f"({' '.join(str(error).split())}); are config.json and the processor's file of the same model?"
        ) from error
    if found.ndim != (3 if family.sampling.windows else 2) or found.shape[-1] != width:
        raise UserError(
            f"{folder}: the model gives {tuple(found.shape)} for a picture, not {width} values as its config says; "
            "it is not supported"
        )
