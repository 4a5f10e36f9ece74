"""Base of the memory fusion networks (MFN, Graph-MFN; also the discriminative half of MFM).

One LSTM cell per modality; at every frame something attends to the three of them (the subclass's `attend`), and what it
gives updates a memory through two gates. The last hidden states and the memory are the summary of a clip.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence

import torch
from torch import nn

from toolkit.models import FusionOutput, ModelConfig
from toolkit.models.dropout import Dropout
from toolkit.models.frames import aligned_frames, run_cell
from toolkit.models.heads import fusion_output, output_heads


class MemoryFusion(nn.Module, abc.ABC):
    """Hyper-parameters: ``hidden_dim`` (H), ``mem_dim`` (M), ``dropout`` (inside every two-layer network).

    The attended frames do not depend on the memory, so they are computed for all frames at once; only the memory's
    recurrence is a loop.
    """

    def __init__(self, config: ModelConfig, attended_dim: int) -> None:
        super().__init__()
        hidden, self.mem_dim = int(config.hyper["hidden_dim"]), int(config.hyper["mem_dim"])
        audio_dim, text_dim, video_dim = config.feat_dims
        self.hidden_dim, self.summary_dim = hidden, 3 * hidden + self.mem_dim
        self.lstm_l = nn.LSTMCell(text_dim, hidden)
        self.lstm_a = nn.LSTMCell(audio_dim, hidden)
        self.lstm_v = nn.LSTMCell(video_dim, hidden)
        self.att2_fc1, self.att2_fc2 = _two_layers(attended_dim, hidden, self.mem_dim)
        self.gamma1_fc1, self.gamma1_fc2 = _two_layers(attended_dim + self.mem_dim, hidden, self.mem_dim)
        self.gamma2_fc1, self.gamma2_fc2 = _two_layers(attended_dim + self.mem_dim, hidden, self.mem_dim)
        self.out_fc1, self.out_fc2 = _two_layers(self.summary_dim, hidden, hidden // 2)
        self.fc_out_1, self.fc_out_2 = output_heads(hidden // 2, config)
        self.dropout = Dropout(config.hyper["dropout"])

    @abc.abstractmethod
    def attend(self, hiddens: Sequence[torch.Tensor], cells: Sequence[torch.Tensor]) -> torch.Tensor:
        """Attended frames ``(B, T, attended_dim)`` from the LSTMs' states of text, audio, video, each ``(B, T, H)``."""

    def summary(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Last hidden states of text, audio, video and the last memory: ``(B, 3H + M)``."""
        lstms = (self.lstm_l, self.lstm_a, self.lstm_v)
        states = [run_cell(lstm, x) for lstm, x in zip(lstms, aligned_frames(batch), strict=True)]
        hiddens, cells = zip(*states, strict=True)
        attended = self.attend(hiddens, cells)
        return torch.cat([*(hidden[:, -1] for hidden in hiddens), self._remember(attended)], dim=1)

    def _remember(self, attended: torch.Tensor) -> torch.Tensor:
        candidates = torch.tanh(self.two_layers(self.att2_fc1, self.att2_fc2, attended))  # B, T, M
        memory = attended.new_zeros(len(attended), self.mem_dim)
        for frame, candidate in zip(attended.unbind(dim=1), candidates.unbind(dim=1), strict=True):
            both = torch.cat([frame, memory], dim=1)
            keep = torch.sigmoid(self.two_layers(self.gamma1_fc1, self.gamma1_fc2, both))
            write = torch.sigmoid(self.two_layers(self.gamma2_fc1, self.gamma2_fc2, both))
            memory = keep * memory + write * candidate
        return memory

    def two_layers(self, first: nn.Module, second: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """Linear, ReLU, dropout, linear."""
        return second(self.dropout(torch.relu(first(x))))

    def forward(self, batch: dict[str, torch.Tensor]) -> FusionOutput:
        return fusion_output(self, self.two_layers(self.out_fc1, self.out_fc2, self.summary(batch)))


def _two_layers(in_size: int, hidden_size: int, out_size: int) -> tuple[nn.Linear, nn.Linear]:
    return nn.Linear(in_size, hidden_size), nn.Linear(hidden_size, out_size)
