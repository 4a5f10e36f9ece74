"""MulT (Tsai et al., "Multimodal Transformer for Unaligned Multimodal Language Sequences", ACL 2019)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from toolkit.models import FusionOutput, ModelConfig
from toolkit.models.dropout import Dropout
from toolkit.models.heads import fusion_output, output_heads
from toolkit.models.transformer import TransformerEncoder
from toolkit.utils.errors import UserError

_MIN_MEMORY_LAYERS = 3  # of the self-attention stacks
_ATTENDS_TO = {"l": "av", "a": "lv", "v": "la"}  # text (language), audio, video, in the order they are concatenated


class MULT(nn.Module):
    """Every modality attends to the two others, then to itself; the last frames of the three are fused.

    Hyper-parameters: ``hidden_dim`` (H), ``layers``, ``num_heads``, ``conv1d_kernel_size``, ``dropout`` (everywhere; on
    the attention weights unless ``attn_dropout`` is given). Feature types: ``frm_align``, ``frm_unalign``.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        hyper = config.hyper
        hidden, heads, layers = int(hyper["hidden_dim"]), int(hyper["num_heads"]), int(hyper["layers"])
        dropout, kernel_size = float(hyper["dropout"]), int(hyper["conv1d_kernel_size"])
        attn_dropout = float(hyper.get("attn_dropout", dropout))
        if hidden % heads:
            raise UserError(f"mult: hidden_dim {hidden} is not a multiple of num_heads {heads}; change one of them")
        audio_dim, text_dim, video_dim = config.feat_dims
        self.proj_l = nn.Conv1d(text_dim, hidden, kernel_size, bias=False)
        self.proj_a = nn.Conv1d(audio_dim, hidden, kernel_size, bias=False)
        self.proj_v = nn.Conv1d(video_dim, hidden, kernel_size, bias=False)
        for modality, others in _ATTENDS_TO.items():
            for other in others:
                crossmodal = TransformerEncoder(hidden, heads, layers, attn_dropout, dropout)
                self.add_module(f"trans_{modality}_with_{other}", crossmodal)
            memory = TransformerEncoder(2 * hidden, heads, max(layers, _MIN_MEMORY_LAYERS), attn_dropout, dropout)
            self.add_module(f"trans_{modality}_mem", memory)
        self.proj1, self.proj2 = nn.Linear(6 * hidden, 6 * hidden), nn.Linear(6 * hidden, 6 * hidden)
        self.out_layer = nn.Linear(6 * hidden, hidden // 2)
        self.dropout = Dropout(dropout)
        self.fc_out_1, self.fc_out_2 = output_heads(hidden // 2, config)

    def forward(self, batch: dict[str, torch.Tensor]) -> FusionOutput:
        frames = {
            "l": _project(self.proj_l, batch["texts"]),  # T, B, H; T differs by modality
            "a": _project(self.proj_a, batch["audios"]),
            "v": _project(self.proj_v, batch["videos"]),
        }
        last = torch.cat([self._last_frame(modality, frames) for modality in _ATTENDS_TO], dim=1)  # B, 6H
        features = self.out_layer(last + self.proj2(self.dropout(torch.relu(self.proj1(last)))))  # B, H / 2
        return fusion_output(self, features)

    def _last_frame(self, modality: str, frames: dict[str, torch.Tensor]) -> torch.Tensor:
        crossmodal = [
            self.get_submodule(f"trans_{modality}_with_{other}")(frames[modality], frames[other])
            for other in _ATTENDS_TO[modality]
        ]
        return self.get_submodule(f"trans_{modality}_mem")(torch.cat(crossmodal, dim=2))[-1]  # B, 2H


def _project(convolution: nn.Conv1d, x: torch.Tensor) -> torch.Tensor:
    # (B, T, D) -> (T', B, H) with T' = T - kernel + 1; inputs shorter than the kernel are filled up with zeros
    missing = max(convolution.kernel_size[0] - x.shape[1], 0)
    return convolution(F.pad(x, (0, 0, 0, missing)).transpose(1, 2)).permute(2, 0, 1)
