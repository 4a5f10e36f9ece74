"""Small randomly initialised speech encoders of the real architectures, saved as folders like those of the hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
LARGE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}  # the "large" layout
SEVEN_LAYERS = {"conv_kernel": (10, 3, 3, 3, 3, 2, 2), "conv_stride": (5, 2, 2, 2, 2, 2, 2), "conv_dim": (16,) * 7}

# name -> (config class of transformers, its settings besides SMALL, do_normalize of the feature extractor)
ARCHITECTURES = {
    "wav2vec2-base": ("Wav2Vec2Config", {}, True),
    "wav2vec2-large": ("Wav2Vec2Config", LARGE, True),
    "hubert-base": ("HubertConfig", {}, True),
    "hubert-large": ("HubertConfig", LARGE, True),
    "wavlm-base": ("WavLMConfig", {}, False),
    "wavlm-large": ("WavLMConfig", LARGE, True),
    "data2vec-audio": ("Data2VecAudioConfig", {"num_conv_pos_embeddings": 5, "conv_pos_kernel_size": 7}, True),
    "unispeech": ("UniSpeechConfig", {}, True),
    "unispeech-sat": ("UniSpeechSatConfig", {}, True),
    "sew": ("SEWConfig", {"squeeze_factor": 2, **SEVEN_LAYERS}, True),
    "wav2vec2-conformer": ("Wav2Vec2ConformerConfig", {"conv_depthwise_kernel_size": 5}, True),
}


@pytest.fixture(scope="session")
def speech_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function: architecture -> folder ``<architecture>/`` with model, config and feature extractor, made once."""
    import torch
    import transformers

    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name in made:
            return made[name]
        config_class, settings, normalise = ARCHITECTURES[name]
        torch.manual_seed(0)
        model = transformers.AutoModel.from_config(getattr(transformers, config_class)(**(SMALL | settings)))
        with torch.no_grad():
            for parameter in model.parameters():  # some start at zero or one, which would hide mistakes
                parameter.add_(0.05 * torch.randn_like(parameter))
        made[name] = tmp_path_factory.mktemp("models") / name
        model.save_pretrained(made[name])
        transformers.Wav2Vec2FeatureExtractor(do_normalize=normalise).save_pretrained(made[name])
        return made[name]

    return folder


@pytest.fixture(scope="session")
def architectures() -> tuple[str, ...]:
    """Names that `speech_model` knows."""
    return tuple(ARCHITECTURES)
