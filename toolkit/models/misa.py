"""MISA (Hazarika et al., "MISA: Modality-Invariant and -Specific Representations for Multimodal Sentiment Analysis",
ACM MM 2020).

Every modality gets a private and a shared representation; a transformer layer over the six and two linear layers fuse
them. Its own loss: private and shared parts should differ (``diff_weight``), the shared parts of the modalities should
agree (``sim_weight``), and both parts together should give the encoding back (``recon_weight``).
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

from toolkit.models import FusionOutput, ModelConfig
from toolkit.models.dropout import Dropout
from toolkit.models.heads import fusion_output, output_heads
from toolkit.models.linear import Linear
from toolkit.models.losses import central_moment_discrepancy, difference_loss
from toolkit.models.post_norm_transformer import TransformerEncoder
from toolkit.models.trimodal import TrimodalModel
from toolkit.utils.errors import UserError

MODALITIES = ("t", "v", "a")  # text, video, audio: the order of the six tokens
TRANSFORMER_HEADS = 2
LOSS_WEIGHTS = ("diff_weight", "sim_weight", "recon_weight")


class MISA(TrimodalModel):
    """Hyper-parameters: ``hidden_dim`` (even), ``dropout``, ``diff_weight``, ``sim_weight``, ``recon_weight``.

    Feature types: ``utt``, ``frm_align``, ``frm_unalign``. The fused representation has ``hidden_dim // 2`` features.
    The transformer's dropout is 0.1 whatever ``dropout`` is. The loss weights are buffers outside the state dict, so
    that members of a stack may differ in them.
    """

    diff_weight: torch.Tensor
    sim_weight: torch.Tensor
    recon_weight: torch.Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        hidden = self.hidden_dim
        if hidden % TRANSFORMER_HEADS:
            raise UserError(f"misa: hidden_dim {hidden} must be a multiple of {TRANSFORMER_HEADS} (attention heads)")
        for name in LOSS_WEIGHTS:
            self.register_buffer(name, torch.tensor(float(config.hyper[name])), persistent=False)
        for m in MODALITIES:
            self.add_module(f"project_{m}", _projection(m, hidden))
            number = 3 if m == "a" else 1  # the released state dicts say private_a_3
            self.add_module(f"private_{m}", _named({f"private_{m}_{number}": Linear(hidden, hidden)}))
            self.add_module(f"recon_{m}", _named({f"recon_{m}_1": Linear(hidden, hidden)}))
        self.shared = _named({"shared_1": Linear(hidden, hidden)})
        self.transformer_encoder = TransformerEncoder(hidden, TRANSFORMER_HEADS, layers=1)
        self.fusion = _named(
            {
                "fusion_layer_1": Linear(6 * hidden, 3 * hidden),
                "fusion_layer_1_dropout": Dropout(self.dropout_p),
                "fusion_layer_1_activation": nn.ReLU(),
                "fusion_layer_3": Linear(3 * hidden, hidden // 2),
            }
        )
        self.fc_out_1, self.fc_out_2 = output_heads(hidden // 2, config)

    def forward(self, batch: dict[str, torch.Tensor]) -> FusionOutput:
        audio, text, video = self.encode(batch)  # each B, H
        projected = self._each("project", (text, video, audio))  # three times B, H, in the order of MODALITIES
        private = [torch.sigmoid(x) for x in self._each("private", projected)]
        shared = [torch.sigmoid(self.shared(x)) for x in projected]
        tokens = self.transformer_encoder(torch.stack([*private, *shared], dim=1))  # B, 6, H
        fused = self.fusion(tokens.flatten(1))  # B, 6H -> B, H/2
        restored = self._each("recon", [p + s for p, s in zip(private, shared, strict=True)])
        return fusion_output(self, fused, self._own_loss(projected, private, shared, restored))

    def _each(self, part: str, inputs: list[torch.Tensor] | tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        """Apply ``<part>_t``, ``<part>_v``, ``<part>_a`` to the three inputs."""
        return [self.get_submodule(f"{part}_{m}")(x) for m, x in zip(MODALITIES, inputs, strict=True)]

    def _own_loss(
        self,
        projected: list[torch.Tensor],
        private: list[torch.Tensor],
        shared: list[torch.Tensor],
        restored: list[torch.Tensor],
    ) -> torch.Tensor:
        pairs = ((0, 1), (0, 2), (1, 2))
        difference = sum(difference_loss(private[m], shared[m]) for m in range(3))
        difference = difference + sum(difference_loss(private[m], private[n]) for m, n in pairs)
        similarity = sum(central_moment_discrepancy(shared[m], shared[n]) for m, n in pairs) / 3
        reconstruction = sum(F.mse_loss(restored[m], projected[m]) for m in range(3)) / 3
        return self.diff_weight * difference + self.sim_weight * similarity + self.recon_weight * reconstruction


def _named(layers: dict[str, nn.Module]) -> nn.Sequential:
    return nn.Sequential(OrderedDict(layers))


def _projection(modality: str, size: int) -> nn.Sequential:
    name = f"project_{modality}"
    layers = {name: Linear(size, size), f"{name}_activation": nn.ReLU(), f"{name}_layer_norm": nn.LayerNorm(size)}
    return _named(layers)
