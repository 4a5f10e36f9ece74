"""THE dataset: named samples with aligned features and labels, resident in memory, served as batch dicts.

A batch is a dict of tensors: one entry per input (``audios``, ``texts``, ``videos``, or ``feat0`` ... for top-n fusion)
of shape ``(B, D)`` for utterance features or ``(B, T, D)`` for frames, plus ``emos`` ``(B,)`` int64 and ``vals``
``(B,)`` float32. T is the longest sequence of the whole data set, as in the reference (padding per batch would change
what a recurrent encoder sees).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from toolkit.data.alignment import align_sample, pad_front
from toolkit.data.features import read_feature
from toolkit.utils.progress import progress_bar

if TYPE_CHECKING:
    import torch

INPUT_KEYS = ("audios", "texts", "videos")
TEXT_INPUT = 1  # position of the text among INPUT_KEYS: frm_align pools to its length


@dataclass(frozen=True)
class FusionDataset:
    """Samples of one split.

    Attributes:
        names: sample names, in label-file order.
        keys: batch keys of the inputs.
        inputs: per key either one array ``(N, D)`` (utterance) or a list of N arrays ``(T_i, D)`` (frames).
        emos: class indices ``(N,)`` int64.
        vals: valences ``(N,)`` float32.
    """

    names: tuple[str, ...]
    keys: tuple[str, ...]
    inputs: tuple[np.ndarray | list[np.ndarray], ...]
    emos: np.ndarray
    vals: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    @property
    def widths(self) -> tuple[int, ...]:
        """D of each input."""
        return tuple(rows.shape[1] if isinstance(rows, np.ndarray) else rows[0].shape[1] for rows in self.inputs)

    def to_device(self, device: torch.device) -> ResidentBatches:
        """The data as tensors on `device`, ready to be indexed."""
        return ResidentBatches(self, device)


class ResidentBatches:
    """A data set on a device: `batch(indices)` gives the batch dict of those samples."""

    def __init__(self, dataset: FusionDataset, device: torch.device) -> None:
        import torch

        self.device = device
        self.emos = torch.from_numpy(dataset.emos).to(device)
        self.vals = torch.from_numpy(dataset.vals).to(device)
        self._inputs: dict[str, torch.Tensor] = {}
        self._ragged: dict[str, tuple[list[np.ndarray], int]] = {}
        for key, rows in zip(dataset.keys, dataset.inputs, strict=True):
            if isinstance(rows, np.ndarray):
                self._inputs[key] = torch.from_numpy(rows).to(device)
            else:
                self._ragged[key] = (rows, max(len(sequence) for sequence in rows))

    def __len__(self) -> int:
        return len(self.emos)

    def batch(self, indices: np.ndarray) -> dict[str, torch.Tensor]:
        """The samples `indices` ``(B,)`` as a batch dict on the device."""
        import torch

        index = torch.from_numpy(np.asarray(indices, dtype=np.int64)).to(self.device)
        batch = {key: rows[index] for key, rows in self._inputs.items()}
        for key, (rows, length) in self._ragged.items():
            padded = pad_front([rows[position] for position in indices], length)
            batch[key] = torch.from_numpy(padded).to(self.device)
        batch["emos"] = self.emos[index]
        batch["vals"] = self.vals[index]
        return batch


def read_dataset(
    folders: Sequence[Path],
    names: Sequence[str],
    emos: Sequence[int],
    vals: Sequence[float],
    feat_type: str,
    scale: int,
    *,
    keys: Sequence[str] = INPUT_KEYS,
    num_workers: int = 0,
    label: str = "features",
) -> FusionDataset:
    """Read the features of `names` from one folder per input and align them.

    A folder that stands for several inputs (a unimodal run) is read once. The result does not depend on
    `num_workers` (threads that read ahead; 0 or 1 = none).

    Raises:
        UserError: a sample without a feature, or an unusable file (`toolkit.data.features.read_feature`).
    """
    distinct = list(dict.fromkeys(folders))
    position = [distinct.index(folder) for folder in folders]
    widths = [read_feature(folder, names[0]).shape[1] for folder in distinct]

    def read(name: str) -> list[np.ndarray]:
        rows = [read_feature(folder, name, width) for folder, width in zip(distinct, widths, strict=True)]
        aligned = align_sample([rows[place] for place in position], feat_type, scale, min(TEXT_INPUT, len(keys) - 1))
        return [sequence.astype(np.float32, copy=False) for sequence in aligned]

    columns: list[list[np.ndarray]] = [[] for _ in keys]
    with progress_bar(len(names), label, unit="sample", enabled=len(names) > 500) as bar:
        for sequences in _in_order(read, names, num_workers):
            for column, sequence in zip(columns, sequences, strict=True):
                column.append(sequence)
            bar.update()
    inputs: list[np.ndarray | list[np.ndarray]] = list(columns)
    if feat_type == "utt":
        inputs = [np.concatenate(column) for column in columns]
    return FusionDataset(
        tuple(names), tuple(keys), tuple(inputs), np.asarray(emos, np.int64), np.asarray(vals, np.float32)
    )


def _in_order(read, names: Sequence[str], num_workers: int):
    if num_workers <= 1:
        yield from map(read, names)
        return
    with ThreadPoolExecutor(num_workers) as pool:
        yield from pool.map(read, names)
