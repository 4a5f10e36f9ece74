"""Tiny vision models of the real architectures, random weights, saved as folders with their processor's config."""

from __future__ import annotations

import json
from pathlib import Path

TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
WIDTHS = {
    "clip": 24,
    "siglip": 32,
    "chinese_clip": 24,
    "data2vec": 32,
    "beit": 32,
    "vit": 32,
    "vit_mae": 32,
    "swin": 16,
    "convnext": 16,
    "dinov2": 32,
    "dinov2_registers": 32,
    "videomae": 32,
}
SIZE = 32  # pixels


def save_model(name: str, folder: Path) -> Path:
    """Write the model `name` (a key of `WIDTHS`) and its processor to `folder`."""
    import torch
    import transformers as tf

    picture = {"image_size": SIZE, "patch_size": 8}
    parts = {
        "vision_config": {**TINY, **picture},
        "text_config": {**TINY, "vocab_size": 50, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1},
    }
    two = {**parts, "projection_dim": 24}
    dino = {**TINY, "image_size": 48, "patch_size": 8}  # more positions than its pictures have
    config, processor = {
        "clip": lambda: (tf.CLIPConfig(**two), clip_like("CLIPImageProcessor")),
        "chinese_clip": lambda: (tf.ChineseCLIPConfig(**two), clip_like("ChineseCLIPImageProcessor")),
        "siglip": lambda: (tf.SiglipConfig(**parts), plain("SiglipImageProcessor", [0.5] * 3, [0.5] * 3)),
        "data2vec": lambda: (
            tf.Data2VecVisionConfig(**TINY, **picture, use_relative_position_bias=True, use_mean_pooling=True),
            {**plain("BeitFeatureExtractor", [0.5] * 3, [0.5] * 3), "size": SIZE, "do_center_crop": False},
        ),
        "beit": lambda: (tf.BeitConfig(**TINY, **picture), plain("BeitImageProcessor", [0.5] * 3, [0.5] * 3)),
        "vit": lambda: (tf.ViTConfig(**TINY, **picture), plain("ViTImageProcessor", [0.5] * 3, [0.5] * 3)),
        "vit_mae": lambda: (tf.ViTMAEConfig(**TINY, **picture), plain("ViTImageProcessor", [0.5] * 3, [0.5] * 3)),
        "swin": lambda: (
            tf.SwinConfig(embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=4, image_size=SIZE),
            plain("ViTImageProcessor", [0.5] * 3, [0.5] * 3),
        ),
        "convnext": lambda: (
            tf.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2),
            {
                **plain("ConvNextImageProcessor", [0.4] * 3, [0.2] * 3),
                "size": {"shortest_edge": SIZE},
                "crop_pct": 0.875,
            },
        ),
        "dinov2": lambda: (tf.Dinov2Config(**dino), clip_like("BitImageProcessor", edge=36)),
        "dinov2_registers": lambda: (
            tf.Dinov2WithRegistersConfig(**dino, num_register_tokens=4),
            clip_like("BitImageProcessor", edge=36),
        ),
        "videomae": lambda: (
            tf.VideoMAEConfig(**TINY, **picture, use_mean_pooling=False),
            {**clip_like("VideoMAEFeatureExtractor"), "crop_size": SIZE, "size": SIZE, "resample": 2},
        ),
    }[name]()
    torch.manual_seed(3)
    model = tf.AutoModel.from_config(config)
    with torch.no_grad():
        for weight in model.parameters():  # far from the tiny values of an initialisation: mistakes are seen
            weight.normal_(0, 0.15)
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def clip_like(kind: str, edge: int = SIZE) -> dict:
    """Shortest edge, bicubic, centre crop: CLIP and DINOv2."""
    return {
        ("feature_extractor_type" if kind.endswith("Extractor") else "image_processor_type"): kind,
        "do_resize": True,
        "size": {"shortest_edge": edge},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": SIZE, "width": SIZE},
        "do_normalize": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }


def plain(kind: str, mean: list[float], std: list[float]) -> dict:
    """Resized to a square, bilinear."""
    return {
        ("feature_extractor_type" if kind.endswith("Extractor") else "image_processor_type"): kind,
        "do_resize": True,
        "size": {"height": SIZE, "width": SIZE},
        "resample": 2,
        "do_normalize": True,
        "image_mean": mean,
        "image_std": std,
    }
