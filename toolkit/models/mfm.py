"""Multimodal Factorization Model (Tsai et al., "Learning Factorized Multimodal Representations", ICLR 2019).

A memory fusion network gives a discriminative factor; an LSTM encoder per modality gives a generative factor. Decoders
rebuild every modality from both, and the four latent codes are pulled towards a standard normal by a maximum mean
discrepancy (as in a Wasserstein autoencoder). The outputs use the discriminative factor alone.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from toolkit.models import FusionOutput, ModelConfig
from toolkit.models.dropout import Dropout
from toolkit.models.frames import aligned_frames, run_cell
from toolkit.models.heads import fusion_output, output_heads
from toolkit.models.mfn import MFN


class MFM(nn.Module):
    """Own loss: ``lda_mmd`` * (sum of the four discrepancies) + sum of each ``lda_x*`` * its reconstruction error.

    Hyper-parameters: those of `MFN` and ``lda_xl``, ``lda_xa``, ``lda_xv``, ``lda_mmd``. Feature types: ``frm_align``.
    The prior samples come from torch's global generator, in evaluation too: `interloss` is a random number there.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        hyper = config.hyper
        latent = int(hyper["hidden_dim"])
        factor = latent // 2
        audio_dim, text_dim, video_dim = config.feat_dims
        self.mmd_weight = float(hyper["lda_mmd"])
        self.rebuild_weights = tuple(float(hyper[key]) for key in ("lda_xl", "lda_xa", "lda_xv"))
        self.encoder_l = LastStateEncoder(text_dim, latent)
        self.encoder_a = LastStateEncoder(audio_dim, latent)
        self.encoder_v = LastStateEncoder(video_dim, latent)
        self.decoder_l = SequenceDecoder(2 * factor, text_dim)
        self.decoder_a = SequenceDecoder(2 * factor, audio_dim)
        self.decoder_v = SequenceDecoder(2 * factor, video_dim)
        self.mfn_encoder = MFN(config)  # its own output layers are never used, as in the reference
        self.last_to_zy_fc1 = nn.Linear(self.mfn_encoder.summary_dim, latent)
        for code in ("y", "l", "a", "v"):  # latent code z -> factor f
            self.add_module(f"z{code}_to_f{code}_fc1", nn.Linear(latent, factor))
            self.add_module(f"z{code}_to_f{code}_fc2", nn.Linear(factor, factor))
        self.fy_to_y_fc1, self.fy_to_y_fc2 = nn.Linear(factor, factor), nn.Linear(factor, factor)
        self.dropout = Dropout(hyper["dropout"])
        self.fc_out_1, self.fc_out_2 = output_heads(factor, config)

    def forward(self, batch: dict[str, torch.Tensor]) -> FusionOutput:
        inputs = aligned_frames(batch)  # text, audio, video: B, T, D
        encoders = (self.encoder_l, self.encoder_a, self.encoder_v)
        decoders = (self.decoder_l, self.decoder_a, self.decoder_v)
        codes = [encoder(x) for encoder, x in zip(encoders, inputs, strict=True)]  # B, H
        shared_code = self.last_to_zy_fc1(self.mfn_encoder.summary(batch))  # B, H
        discrepancy = sum(mmd_to_normal(code) for code in (*codes, shared_code))

        shared = self._factor("y", shared_code)  # B, H / 2
        rebuild_loss = 0.0
        for key, code, decoder, x, weight in zip("lav", codes, decoders, inputs, self.rebuild_weights, strict=True):
            rebuilt = decoder(torch.cat([shared, self._factor(key, code)], dim=1), x.shape[1])
            rebuild_loss = rebuild_loss + weight * F.mse_loss(rebuilt, x)
        features = self.fy_to_y_fc2(self.dropout(torch.relu(self.fy_to_y_fc1(shared))))
        return fusion_output(self, features, interloss=self.mmd_weight * discrepancy + rebuild_loss)

    def _factor(self, key: str, code: torch.Tensor) -> torch.Tensor:
        first = self.get_submodule(f"z{key}_to_f{key}_fc1")
        second = self.get_submodule(f"z{key}_to_f{key}_fc2")
        return torch.relu(second(self.dropout(torch.relu(first(code)))))


class LastStateEncoder(nn.Module):
    """An LSTM cell over the frames, a linear layer on its last hidden state: ``(B, T, D)`` -> ``(B, H)``."""

    def __init__(self, in_size: int, hidden_size: int) -> None:
        super().__init__()
        self.lstm = nn.LSTMCell(in_size, hidden_size)
        self.fc1 = nn.Linear(hidden_size, hidden_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hiddens, _ = run_cell(self.lstm, x)
        return self.fc1(hiddens[:, -1])


class SequenceDecoder(nn.Module):
    """An LSTM cell that reads the code first and its own hidden state afterwards: ``(B, H)`` -> ``(B, T, D)``."""

    def __init__(self, hidden_size: int, out_size: int) -> None:
        super().__init__()
        self.lstm = nn.LSTMCell(hidden_size, hidden_size)
        self.fc1 = nn.Linear(hidden_size, out_size)

    def forward(self, code: torch.Tensor, frames: int) -> torch.Tensor:
        hidden, memory = torch.zeros_like(code), torch.zeros_like(code)
        hiddens = []
        for step in range(frames):
            hidden, memory = self.lstm(hidden if step else code, (hidden, memory))
            hiddens.append(hidden)
        return self.fc1(torch.stack(hiddens, dim=1))


def mmd_to_normal(code: torch.Tensor) -> torch.Tensor:
    """Squared maximum mean discrepancy between the rows of `code` ``(B, H)`` and as many standard normal draws."""
    prior = torch.randn_like(code)
    return _kernel(prior, prior).mean() + _kernel(code, code).mean() - 2.0 * _kernel(prior, code).mean()


def _kernel(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    # Gaussian kernel; the squared distance is divided by H twice, as in the reference: (B, H), (B, H) -> (B, B)
    squared = (x.unsqueeze(1) - y.unsqueeze(0)).square().mean(dim=2)
    return torch.exp(-squared / x.shape[1])
