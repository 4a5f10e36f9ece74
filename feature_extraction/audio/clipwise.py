"""Running clips of unlike length through a speech encoder together, without any clip seeing the others' padding.

Group norm averages over time, and convolutions look across the end of a clip: there padding would change the numbers.
So the convolutions at the bottom, and the positional ones, see each clip at its own length (clips of one length
together), and only the transformer, which is most of the work, gets a padded batch and a mask.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import nn

# Families whose encoder masks the rest exactly (tested); others get clips of equal length only.
MASKED_FAMILIES = frozenset(("wav2vec2", "hubert", "wavlm", "data2vec-audio", "unispeech", "unispeech-sat"))


class Clipwise(nn.Module):
    """`module` applied to each clip of a padded batch at its own length; the results are padded with zeros.

    Args:
        module: maps ``(B, ...time...)`` to ``(B, ...time...)``, time along `axis_in` and `axis_out`.
    """

    def __init__(self, module: nn.Module, axis_in: int, axis_out: int) -> None:
        super().__init__()
        self.module = module
        self.axis_in = axis_in
        self.axis_out = axis_out
        self.lengths: list[int] | None = None  # of the clips, along axis_in; None: nothing is padded

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """The padded batch of results."""
        if self.lengths is None:
            return self.module(batch)
        same: dict[int, list[int]] = {}
        for index, length in enumerate(self.lengths):
            same.setdefault(length, []).append(index)
        rows: list[torch.Tensor] = [batch] * len(batch)
        for length, indices in same.items():
            results = self.module(batch[indices].narrow(self.axis_in, 0, length))
            for index, row in zip(indices, results.split(1), strict=True):
                rows[index] = row
        longest = max(row.shape[self.axis_out] for row in rows)
        return torch.cat([_padded(row, self.axis_out, longest) for row in rows])


def _padded(row: torch.Tensor, axis: int, length: int) -> torch.Tensor:
    missing = length - row.shape[axis]
    if not missing:
        return row
    shape = list(row.shape)
    shape[axis] = missing
    return torch.cat([row, row.new_zeros(shape)], dim=axis)


def make_clipwise(model: nn.Module) -> None:
    """Wrap the convolutions of a speech encoder of `MASKED_FAMILIES`."""
    model.feature_extractor = Clipwise(model.feature_extractor, 1, 2)  # (B, samples) -> (B, C, T)
    model.encoder.pos_conv_embed = Clipwise(model.encoder.pos_conv_embed, 1, 1)  # (B, T, D) -> (B, T, D)


def run_padded(model: nn.Module, waves: Sequence[torch.Tensor]) -> tuple[tuple[torch.Tensor, ...], list[int]]:
    """Hidden states ``(B, longest T, D)`` of clips of any lengths, and each clip's own T (after `make_clipwise`)."""
    lengths = [len(wave) for wave in waves]
    frames = [int(model._get_feat_extract_output_lengths(length)) for length in lengths]
    batch = nn.utils.rnn.pad_sequence(list(waves), batch_first=True)  # (B, longest)
    if len(set(lengths)) == 1:
        return model(batch, output_hidden_states=True).hidden_states, frames
    mask = (torch.arange(batch.shape[1])[None] < torch.tensor(lengths)[:, None]).long().to(batch.device)
    bottom, positional = model.feature_extractor, model.encoder.pos_conv_embed
    bottom.lengths, positional.lengths = lengths, frames
    try:
        with warnings.catch_warnings():  # torch dislikes the two masks that WavLM's code gives it
            warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")
            return model(batch, attention_mask=mask, output_hidden_states=True).hidden_states, frames
    finally:
        bottom.lengths = positional.lengths = None
