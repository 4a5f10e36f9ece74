"""MultiModal InfoMax (Han et al., "Improving Multimodal Fusion with Hierarchical Mutual Information Maximization for
Multimodal Sentiment Analysis", EMNLP 2021).

The encodings are concatenated and fused by two tanh layers. Its own loss is ``alpha * NCE - beta * LLD``: NCE predicts
each encoding from the fused representation (contrastive predictive coding), LLD is the likelihood of the audio and the
video encoding given the text encoding.
"""

from __future__ import annotations

import torch
from torch import nn

from toolkit.models import FusionOutput, ModelConfig
from toolkit.models.dropout import Dropout
from toolkit.models.heads import fusion_output, output_heads
from toolkit.models.linear import Linear
from toolkit.models.losses import contrastive_loss, gaussian_log_likelihood
from toolkit.models.trimodal import TrimodalModel


class MMIM(TrimodalModel):
    """Hyper-parameters: ``hidden_dim``, ``dropout``, ``cpc_layers``, ``alpha``, ``beta``.

    Feature types: ``utt``, ``frm_align``, ``frm_unalign``. `alpha` and `beta` are buffers outside the state dict, so
    that members of a stack may differ in them.
    """

    alpha: torch.Tensor
    beta: torch.Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        hidden, layers = self.hidden_dim, int(config.hyper["cpc_layers"])
        for name in ("alpha", "beta"):
            self.register_buffer(name, torch.tensor(float(config.hyper[name])), persistent=False)
        self.mi_tv, self.mi_ta = LikelihoodBound(hidden), LikelihoodBound(hidden)
        self.cpc_zt, self.cpc_zv, self.cpc_za = (ContrastivePrediction(hidden, layers) for _ in range(3))
        self.fusion_prj = FusionProjection(3 * hidden, hidden, self.dropout_p)
        self.fc_out_1, self.fc_out_2 = output_heads(hidden, config)

    def forward(self, batch: dict[str, torch.Tensor]) -> FusionOutput:
        audio, text, video = self.encode(batch)  # each B, H
        likelihood = self.mi_tv(text, video) + self.mi_ta(text, audio)
        fused = self.fusion_prj(torch.cat([text, audio, video], dim=1))  # B, H
        contrast = self.cpc_zt(text, fused) + self.cpc_zv(video, fused) + self.cpc_za(audio, fused)
        return fusion_output(self, fused, self.alpha * contrast - self.beta * likelihood)


class LikelihoodBound(nn.Module):
    """Log-likelihood of one encoding given another, ``(B, H)`` each, under a Gaussian whose mean and log-variance two
    MLPs predict: a scalar.

    `entropy_prj` belongs to the paper's entropy term, which needs the sign of a sentiment label; the MER2024 baseline
    leaves that term out, so the layer is only here for the state dict's keys and never gets a gradient.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mlp_mu = nn.Sequential(Linear(size, size), nn.ReLU(), Linear(size, size))
        self.mlp_logvar = nn.Sequential(Linear(size, size), nn.ReLU(), Linear(size, size))
        self.entropy_prj = nn.Sequential(Linear(size, size // 4), nn.Tanh())

    def forward(self, given: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return gaussian_log_likelihood(y, self.mlp_mu(given), self.mlp_logvar(given))


class ContrastivePrediction(nn.Module):
    """Predict an encoding ``(B, H)`` from the fused representation ``(B, H)`` and contrast within the batch: a scalar.

    One linear layer; with more, a tanh after the first and none between the others.
    """

    def __init__(self, size: int, layers: int) -> None:
        super().__init__()
        linear = [Linear(size, size) for _ in range(layers)]
        self.net = linear[0] if layers == 1 else nn.Sequential(linear[0], nn.Tanh(), *linear[1:])

    def forward(self, x: torch.Tensor, fused: torch.Tensor) -> torch.Tensor:
        return contrastive_loss(x, self.net(fused))


class FusionProjection(nn.Module):
    """Dropout on the input, then two linear + tanh layers: ``(B, in_size)`` -> ``(B, H)``."""

    def __init__(self, in_size: int, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.drop = Dropout(dropout)
        self.linear_1 = Linear(in_size, hidden_size)
        self.linear_2 = Linear(hidden_size, hidden_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.linear_2(torch.tanh(self.linear_1(self.drop(x)))))
