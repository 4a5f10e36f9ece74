"""Base of the fusion models that start with one encoder for each of audio, text and video."""

from __future__ import annotations

import torch
from torch import nn

from toolkit.models import ModelConfig
from toolkit.models.encoders import build_encoder


class TrimodalModel(nn.Module):
    """Three encoders to ``hidden_dim`` each, MLPs for ``utt`` and LSTMs for frame features (see `build_encoder`)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.hidden_dim, self.dropout_p = int(config.hyper["hidden_dim"]), float(config.hyper["dropout"])
        audio_dim, text_dim, video_dim = config.feat_dims
        self.audio_encoder = build_encoder(config.feat_type, audio_dim, self.hidden_dim, self.dropout_p)
        self.text_encoder = build_encoder(config.feat_type, text_dim, self.hidden_dim, self.dropout_p)
        self.video_encoder = build_encoder(config.feat_type, video_dim, self.hidden_dim, self.dropout_p)

    def encode(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Encodings of audio, text and video, each ``(B, H)``."""
        return (
            self.audio_encoder(batch["audios"]),
            self.text_encoder(batch["texts"]),
            self.video_encoder(batch["videos"]),
        )
