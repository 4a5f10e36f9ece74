"""Pooling a sequence to a length and bringing the modalities to a common form (SPEC 6; golden tables).

All functions take and give ``(T, D)`` arrays; zeros are padded IN FRONT, so the end of an utterance stays at the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

# feature type -> by how much sequences are shortened before anything else
FEAT_SCALES = {"utt": 1, "frm_align": 6, "frm_unalign": 12}


def map_sequence_length(rows: np.ndarray, length: int) -> np.ndarray:
    """Bring ``(T, D)`` to ``(length, D)``: pad zeros in front to the next multiple of `length`, average the groups.

    A shorter sequence is only padded. T = `length` is returned as it is.

    Raises:
        ValueError: `length` is below 1 or `rows` is not two-dimensional.
    """
    if length < 1 or rows.ndim != 2:
        raise ValueError(f"cannot map an array of shape {rows.shape} to length {length}")
    frames = rows.shape[0]
    group = max(1, math.ceil(frames / length))
    missing = group * length - frames
    if missing:
        rows = np.concatenate([np.zeros((missing, rows.shape[1]), rows.dtype), rows])
    if group == 1:
        return rows
    return rows.reshape(length, group, -1).mean(axis=1)


def compress(rows: np.ndarray, scale: int) -> np.ndarray:
    """Shorten ``(T, D)`` to ``(ceil(T / scale), D)`` by averaging."""
    return map_sequence_length(rows, math.ceil(len(rows) / scale))


def align_sample(sequences: Sequence[np.ndarray], feat_type: str, scale: int, text: int = 1) -> list[np.ndarray]:
    """One sample's sequences, in input order, shortened by `scale` and brought into the form of `feat_type`.

    ``utt``: each averaged over time, ``(1, D)``. ``frm_align``: all pooled to the length of the text (input number
    `text`). ``frm_unalign``: lengths are kept.
    """
    sequences = [compress(rows, scale) for rows in sequences]
    if feat_type == "utt":
        return [rows.mean(axis=0, keepdims=True) for rows in sequences]
    if feat_type == "frm_align":
        return [map_sequence_length(rows, len(sequences[text])) for rows in sequences]
    return sequences


def pad_front(sequences: Sequence[np.ndarray], length: int) -> np.ndarray:
    """Stack ``(T_i, D)`` arrays, T_i <= length, into ``(B, length, D)`` with zeros in front."""
    batch = np.zeros((len(sequences), length, sequences[0].shape[1]), dtype=sequences[0].dtype)
    for row, sequence in zip(batch, sequences, strict=True):
        row[length - len(sequence) :] = sequence
    return batch
