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

from toolkit.data.alignment import align_sample
from toolkit.data.cache import FeatureStore
from toolkit.data.features import count_missing
from toolkit.utils.errors import UserError
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
        inputs: per key either one array ``(N, D)`` (utterance) or a list of N arrays ``(T_i, D)`` (frames); inputs of
            the same feature are the same object.
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
    """A data set on a device: `batch(indices)` gives the batch dict of those samples.

    Attributes:
        keys: batch keys of the inputs.
        arrays: the distinct inputs: ``(N, D)`` of an utterance feature, ``(1 + sum T, D)`` of frames (row 0 is zeros).
        array_of: per key, which of `arrays` it is. A unimodal run has one array under three keys.
        frames: per array None (utterance) or ``(N, T)`` int64: the rows of each sample, 0 (zeros) in front.
    """

    def __init__(self, dataset: FusionDataset, device: torch.device) -> None:
        import torch

        self.device = device
        self.emos = torch.from_numpy(dataset.emos).to(device)
        self.vals = torch.from_numpy(dataset.vals).to(device)
        self.keys = dataset.keys
        distinct = list({id(rows): rows for rows in dataset.inputs}.values())
        self.array_of = tuple(
            next(number for number, rows in enumerate(distinct) if rows is mine) for mine in dataset.inputs
        )
        self.arrays: list[torch.Tensor] = []
        self.frames: list[torch.Tensor | None] = []
        for rows in distinct:
            if isinstance(rows, np.ndarray):
                self.arrays.append(torch.from_numpy(rows).to(device))
                self.frames.append(None)
            else:
                zeros = np.zeros((1, rows[0].shape[1]), rows[0].dtype)
                self.arrays.append(torch.from_numpy(np.concatenate([zeros, *rows])).to(device))
                self.frames.append(torch.from_numpy(_front_padded_rows([len(part) for part in rows])).to(device))

    def __len__(self) -> int:
        return len(self.emos)

    def batch(self, indices: np.ndarray) -> dict[str, torch.Tensor]:
        """The samples `indices` ``(B,)`` as a batch dict on the device; keys of one feature share one tensor."""
        import torch

        return self.gather(torch.from_numpy(np.asarray(indices, dtype=np.int64)).to(self.device))

    def gather(self, index: torch.Tensor, keys: Sequence[str] | None = None) -> dict[str, torch.Tensor]:
        """The same for an index tensor on the device of any shape, which leads the shape of every entry.

        `keys` limits the inputs (not the targets) that are gathered.
        """
        wanted = {
            key: number for key, number in zip(self.keys, self.array_of, strict=True) if keys is None or key in keys
        }
        gathered = {
            number: self.arrays[number][index if self.frames[number] is None else self.frames[number][index]]
            for number in set(wanted.values())
        }
        batch = {key: gathered[number] for key, number in wanted.items()}
        batch["emos"] = self.emos[index]
        batch["vals"] = self.vals[index]
        return batch


def _front_padded_rows(lengths: Sequence[int]) -> np.ndarray:
    """``(N, max T)`` int64: rows of each sample behind one row of zeros; 0 (zeros) in front of shorter ones."""
    counts = np.asarray(lengths, np.int64)
    ends = np.cumsum(counts)  # row number of each sample's last frame, as row 0 is the zeros
    place = np.arange(counts.max()) - counts.max() + 1  # ..., -1, 0 = last frame
    rows = ends[:, None] + place[None, :]
    return np.where(place[None, :] > -counts[:, None], rows, 0)


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
    store: FeatureStore | None = None,
) -> FusionDataset:
    """Read the features of `names` from one folder per input and align them.

    A folder that stands for several inputs (a unimodal run) is read and held once. The result depends neither on
    `num_workers` (threads that read ahead; 0 or 1 = none) nor on the cache. `store` keeps folders open between the
    splits of a run and collects what is to be said about them; without one it is printed.

    Raises:
        UserError: a sample without a feature, or an unusable file (`toolkit.data.features.read_feature`).
    """
    own_store = FeatureStore(num_workers) if store is None else store
    distinct = list(dict.fromkeys(folders))
    try:
        if feat_type == "utt" and scale == 1:
            columns: list = [reader.utterances(names) for reader in own_store.readers(distinct, names)]
        else:
            text = distinct.index(folders[min(TEXT_INPUT, len(folders) - 1)])
            columns = _aligned(own_store, distinct, names, feat_type, scale, text, num_workers, label)
    except UserError as error:
        raise UserError(f"{error}{count_missing(distinct, names)}") from error
    if store is None:
        own_store.print_notes()
    inputs = tuple(columns[distinct.index(folder)] for folder in folders)
    return FusionDataset(tuple(names), tuple(keys), inputs, np.asarray(emos, np.int64), np.asarray(vals, np.float32))


def _aligned(
    store: FeatureStore,
    folders: Sequence[Path],
    names: Sequence[str],
    feat_type: str,
    scale: int,
    text: int,
    num_workers: int,
    label: str,
) -> list[list[np.ndarray] | np.ndarray]:
    """Per folder, the samples after `align_sample`: a list of ``(T_i, D)``, or ``(N, D)`` for utterances."""
    readers = list(store.readers(folders, names))

    def read(name: str) -> list[np.ndarray]:
        aligned = align_sample([reader.rows(name) for reader in readers], feat_type, scale, text)
        return [sequence.astype(np.float32, copy=False) for sequence in aligned]

    columns: list[list[np.ndarray]] = [[] for _ in folders]
    with progress_bar(len(names), label, unit="sample", enabled=len(names) > 500) as bar:
        for sequences in _in_order(read, names, num_workers):
            for column, sequence in zip(columns, sequences, strict=True):
                column.append(sequence)
            bar.update()
    return [np.concatenate(column) for column in columns] if feat_type == "utt" else columns


def _in_order(read, names: Sequence[str], num_workers: int):
    if num_workers <= 1:
        yield from map(read, names)
        return
    with ThreadPoolExecutor(num_workers) as pool:
        yield from pool.map(read, names)
