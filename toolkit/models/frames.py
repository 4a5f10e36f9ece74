"""What the models over aligned frame features share: their inputs, and LSTM cells run over time."""

from __future__ import annotations

import torch
from torch import nn

from toolkit.utils.errors import UserError


def aligned_frames(batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Text, audio and video ``(B, T, D)`` of a batch, in this order (the reference's l, a, v).

    Raises:
        UserError: the three differ in T, so the features are not aligned.
    """
    text, audio, video = batch["texts"], batch["audios"], batch["videos"]
    if not text.shape[1] == audio.shape[1] == video.shape[1]:
        raise UserError(
            f"this model needs as many frames in every modality, but a batch has {audio.shape[1]} audio, "
            f"{text.shape[1]} text and {video.shape[1]} video frames; use --feat_type frm_align"
        )
    return text, audio, video


def run_cell(cell: nn.LSTMCell, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Run a cell from zero states over ``(B, T, D)``: all hidden and all cell states, each ``(B, T, H)``."""
    hidden = memory = x.new_zeros(len(x), cell.hidden_size)
    hiddens, memories = [], []
    for frame in x.unbind(dim=1):
        hidden, memory = cell(frame, (hidden, memory))
        hiddens.append(hidden)
        memories.append(memory)
    return torch.stack(hiddens, dim=1), torch.stack(memories, dim=1)
