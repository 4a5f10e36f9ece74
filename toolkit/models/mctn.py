"""Multimodal Cyclic Translation Network (Pham et al., "Found in Translation: Learning Robust Joint Representations by
Cyclic Translations Between Modalities", AAAI 2019).

Text is translated into video and back to text; the joint encoding of the first translation is then translated into
audio. The joint encoding of that last translation, run through an LSTM, is the fused representation.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from toolkit.models import FusionOutput, ModelConfig
from toolkit.models.dropout import Dropout
from toolkit.models.encoders import LSTMEncoder
from toolkit.models.frames import aligned_frames
from toolkit.models.heads import fusion_output, output_heads
from toolkit.utils.errors import UserError


class MCTN(nn.Module):
    """Own loss: ``loss_weight`` * (sum of the three translations' mean squared errors).

    Hyper-parameters: ``hidden_dim``, ``dropout``, ``loss_weight``, ``teacher_forcing_ratio`` (without effect: see
    `Translator`), ``recurrence``. Feature types: ``frm_align``.

    ``recurrence`` "batch" (the default) is what the reference computes: its translators expect time first and are given
    the batch first, so their recurrences run over the clips of a batch, and a clip's outputs depend on the others
    and on their order. "time" runs them over time, as the paper does.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        hidden, dropout = int(config.hyper["hidden_dim"]), float(config.hyper["dropout"])
        self.loss_weight = float(config.hyper["loss_weight"])
        self.recurrence = config.hyper.get("recurrence", "batch")
        if self.recurrence not in ("batch", "time"):
            raise UserError(f"mctn: recurrence {self.recurrence!r}: unknown; it is batch or time")
        self.width = max(config.feat_dims)  # every modality is padded to it
        # The reference's state dicts hold the parts of a translator twice: alone, and inside the translator.
        self.attn1 = FrameAttention(hidden)
        self.encoder1 = JointEncoder(self.width, hidden, dropout)
        self.decoder1 = FrameDecoder(self.width, hidden, self.attn1)
        self.seq2seq1 = Translator(self.encoder1, self.decoder1)
        self.attn2 = FrameAttention(hidden)
        self.encoder2 = JointEncoder(hidden, hidden, dropout)
        self.decoder2 = FrameDecoder(self.width, hidden, self.attn2)
        self.seq2seq2 = Translator(self.encoder2, self.decoder2)
        self.fc_out_0 = LSTMEncoder(hidden, hidden, dropout)
        self.fc_out_1, self.fc_out_2 = output_heads(hidden, config)

    def forward(self, batch: dict[str, torch.Tensor]) -> FusionOutput:
        padded = (F.pad(x, (0, self.width - x.shape[2])) for x in aligned_frames(batch))  # B, T, D
        text, audio, video = (self._swap(x) for x in padded)
        joint, as_video = self.seq2seq1(text, video)
        _, as_text = self.seq2seq1(as_video, text)
        joint, as_audio = self.seq2seq2(joint, audio)
        errors = F.mse_loss(as_video, video) + F.mse_loss(as_text, text) + F.mse_loss(as_audio, audio)
        return fusion_output(self, self.fc_out_0(self._swap(joint)), interloss=self.loss_weight * errors)

    def _swap(self, x: torch.Tensor) -> torch.Tensor:
        return x.transpose(0, 1) if self.recurrence == "time" else x


class Translator(nn.Module):
    """Translate sequences ``(S, N, D)`` into others of the same S and N, step by step.

    The decoder always reads the true previous step, in evaluation too: in the reference, what it reads without teacher
    forcing is the true step as well, so the ratio changes nothing. The first output is zero.
    """

    def __init__(self, encoder: JointEncoder, decoder: FrameDecoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Source and target ``(S, N, D)`` -> joint encoding of the source ``(S, N, H)``, outputs ``(S, N, D)``."""
        joint, state = self.encoder(source)
        keys = self.decoder.attention.keys(joint)
        outputs = [torch.zeros_like(target[0])]
        for previous in target[:-1]:
            output, state = self.decoder(previous, state, joint, keys)
            outputs.append(output)
        return joint, torch.stack(outputs)


class JointEncoder(nn.Module):
    """A two-way LSTM, both directions added: ``(S, N, D)`` -> joint encoding ``(S, N, H)``, first state ``(N, H)``."""

    def __init__(self, in_size: int, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.rnn = nn.LSTM(in_size, hidden_size, bidirectional=True)
        self.dropout = Dropout(dropout)
        self.fc = nn.Linear(hidden_size, hidden_size, bias=False)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        outputs, (hidden, _) = self.rnn(x)  # S, N, 2H; 2, N, H
        return self.dropout(_add_directions(outputs)), torch.tanh(self.fc(hidden.sum(dim=0)))


class FrameAttention(nn.Module):
    """Additive attention of a decoder's state to the steps of a joint encoding."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.attn = nn.Linear(2 * hidden_size, hidden_size, bias=False)  # of the state and a step, concatenated
        self.v = nn.Linear(hidden_size, 1, bias=False)

    def keys(self, joint: torch.Tensor) -> torch.Tensor:
        """The joint encoding's share of `attn` ``(S, N, H)``, the same for every state."""
        return F.linear(joint, self.attn.weight.chunk(2, dim=1)[1])

    def forward(self, state: torch.Tensor, joint: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """State ``(N, H)``, joint encoding and its keys ``(S, N, H)`` -> context ``(N, H)``."""
        query = F.linear(state, self.attn.weight.chunk(2, dim=1)[0])
        weights = torch.softmax(self.v(torch.tanh(query + keys)), dim=0)  # S, N, 1
        return (weights * joint).sum(dim=0)


class FrameDecoder(nn.Module):
    """One step of decoding: a two-way LSTM, started from zero at every step, over the previous step and the context."""

    def __init__(self, out_size: int, hidden_size: int, attention: FrameAttention) -> None:
        super().__init__()
        self.attention = attention
        self.rnn = nn.LSTM(out_size + hidden_size, hidden_size, bidirectional=True)
        self.fc_out = nn.Linear(2 * hidden_size, out_size)

    def forward(
        self, previous: torch.Tensor, state: torch.Tensor, joint: torch.Tensor, keys: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Previous step ``(N, D)``, state ``(N, H)``, joint encoding and keys ``(S, N, H)`` -> output, next state."""
        context = self.attention(state, joint, keys)  # N, H
        outputs, _ = self.rnn(torch.cat([previous, context], dim=1).unsqueeze(0))  # 1, N, 2H
        state = _add_directions(outputs[0])
        return self.fc_out(torch.cat([state, context], dim=1)), state


def _add_directions(outputs: torch.Tensor) -> torch.Tensor:
    forward, backward = outputs.chunk(2, dim=-1)
    return forward + backward
