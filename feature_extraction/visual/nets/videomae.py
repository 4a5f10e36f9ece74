"""VideoMAE of the two challenge checkpoints: 16 frames -> the mean over tokens after the final norm.

Paper: Tong, Song, Wang, Wang, "VideoMAE: Masked Autoencoders are Data-Efficient Learners for Self-Supervised Video
Pre-Training", NeurIPS 2022. The network is transformers' VideoMAE; its state dict has the names of VideoMAE's own code,
which the checkpoints use.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

WIDTH = 768
FRAMES = 16
LAYERS = 12
NORM_EPSILON = 1e-6  # transformers' default for VideoMAE is another one
# The classifier, and what a pretraining checkpoint holds besides its encoder
UNUSED_KEYS = ("head.", "decoder.", "encoder_to_decoder.", "mask_token")

# Names in a checkpoint -> names in transformers; of the whole, and of each block
_WHOLE = {
    "patch_embed.proj": "embeddings.patch_embeddings.projection",
    "norm": "layernorm",
}
_BLOCK = {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
_ATTENTION = "attention.attention"
_LEAVES = ("weight", "bias")


class VideoMAE(nn.Module):
    """VideoMAE-base: ``(N, 16, 3, size, size)``, ImageNet-normalised -> ``(N, 768)``."""

    def __init__(self, size: int) -> None:
        from transformers import VideoMAEConfig, VideoMAEModel

        super().__init__()
        config = VideoMAEConfig(
            image_size=size,
            num_frames=FRAMES,
            layer_norm_eps=NORM_EPSILON,
            use_mean_pooling=False,  # the norm sees tokens, not their mean
        )
        self.model = VideoMAEModel(config)
        self.register_state_dict_post_hook(_to_checkpoint_names)
        self.register_load_state_dict_pre_hook(_from_checkpoint_names)

    def forward(self, clips: Tensor) -> Tensor:
        return self.model(clips).last_hidden_state.mean(dim=1)


def _names() -> dict[str, str]:
    """Every entry but the attention's queries, keys and values: name in a checkpoint -> name in `VideoMAE`."""
    names = {f"{theirs}.{leaf}": f"model.{ours}.{leaf}" for theirs, ours in _WHOLE.items() for leaf in _LEAVES}
    for layer in range(LAYERS):
        here, there = f"blocks.{layer}", f"model.encoder.layer.{layer}"
        names |= {f"{here}.{a}.{leaf}": f"{there}.{b}.{leaf}" for a, b in _BLOCK.items() for leaf in _LEAVES}
        names[f"{here}.attn.q_bias"] = f"{there}.{_ATTENTION}.query.bias"
        names[f"{here}.attn.v_bias"] = f"{there}.{_ATTENTION}.value.bias"
    return names


def _qkv(layer: int) -> tuple[str, list[str]]:
    """The one matrix in a checkpoint, and the three that it is here (its thirds)."""
    here = f"model.encoder.layer.{layer}.{_ATTENTION}"
    return f"blocks.{layer}.attn.qkv.weight", [f"{here}.{part}.weight" for part in ("query", "key", "value")]


def _to_checkpoint_names(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    for theirs, ours in _names().items():
        state[prefix + theirs] = state.pop(prefix + ours)
    for layer in range(LAYERS):
        theirs, ours = _qkv(layer)
        state[prefix + theirs] = torch.cat([state.pop(prefix + name) for name in ours])


def _from_checkpoint_names(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    for theirs, ours in _names().items():
        if prefix + theirs in state:
            state[prefix + ours] = state.pop(prefix + theirs)
    for layer in range(LAYERS):
        theirs, ours = _qkv(layer)
        if prefix + theirs in state:
            thirds = state.pop(prefix + theirs).chunk(3)
            state.update({prefix + name: third for name, third in zip(ours, thirds, strict=True)})
