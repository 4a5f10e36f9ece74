"""Memory Fusion Network (Zadeh et al., "Memory Fusion Network for Multi-view Sequential Learning", AAAI 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from toolkit.models import ModelConfig
from toolkit.models.memory_fusion import MemoryFusion


class MFN(MemoryFusion):
    """A softmax attention over the LSTMs' cell states of the last ``window_dim`` frames feeds the memory.

    Hyper-parameters: ``hidden_dim``, ``mem_dim``, ``window_dim`` (W; 2 in the paper and the reference), ``dropout``.
    Feature types: ``frm_align``.
    """

    def __init__(self, config: ModelConfig) -> None:
        hidden, frames = int(config.hyper["hidden_dim"]), int(config.hyper["window_dim"])
        width = 3 * hidden * frames
        super().__init__(config, attended_dim=width)
        self.window_frames = frames
        self.att1_fc1, self.att1_fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def attend(self, hiddens: Sequence[torch.Tensor], cells: Sequence[torch.Tensor]) -> torch.Tensor:
        """``(B, T, 3HW)``: cell states, oldest frame of the window first, each entry times its attention weight."""
        states = torch.cat(list(cells), dim=2)  # B, T, 3H
        delays = reversed(range(self.window_frames))
        delayed = [F.pad(states, (0, 0, delay, 0))[:, : states.shape[1]] for delay in delays]
        window = torch.cat(delayed, dim=2)  # B, T, 3HW; zeros before the first frame
        return window * torch.softmax(self.two_layers(self.att1_fc1, self.att1_fc2, window), dim=2)
