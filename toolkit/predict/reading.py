"""From feature folders to batches of a saved model's inputs, a block at a time.

A clip's prediction does not depend on the clips beside it: frames are padded to the longest sequence of the training
set, which is what the model saw in training (a recurrent encoder sees the padding), and longer clips go alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from toolkit.data.alignment import align_sample, pad_front
from toolkit.data.cache import FeatureStore
from toolkit.data.dataset import TEXT_INPUT
from toolkit.utils.errors import UserError

UTTERANCE_BLOCK, FRAME_BLOCK = 500, 64  # samples per batch; bounds memory whatever their number
_TRIES = 20  # samples from which the width of a folder is tried to be read


class SampleReader:
    """Batches of the inputs that a saved model takes.

    Args:
        description: what ``model.json`` says.
        folders: the feature folder of each input.
        names: the samples that will be asked for, at least one.
        store: opens the folders; its notes are for the user.

    Raises:
        UserError: a folder has another width than the model was trained on, or none of its first samples is readable.
    """

    def __init__(
        self, description: Mapping[str, Any], folders: Sequence[Path], names: Sequence[str], store: FeatureStore
    ) -> None:
        self.keys, self.feat_type, self.scale = (description[key] for key in ("keys", "feat_type", "feat_scale"))
        distinct = list(dict.fromkeys(folders))
        self.inputs = [distinct.index(folder) for folder in folders]  # per key, which of the readers
        self.text = self.inputs[min(TEXT_INPUT, len(folders) - 1)]
        self.readers = _open(store, distinct, names)
        for number, width in zip(self.inputs, description["feat_dims"], strict=True):
            if self.readers[number].width != width:
                raise UserError(
                    f"{distinct[number]} holds features of {self.readers[number].width} values, the model was trained "
                    f"on {width}: they are of another model or formula"
                )
        self.lengths: Sequence[int] = description.get("lengths", ())
        if self.feat_type != "utt" and not self.lengths:
            raise UserError(
                "this model was saved by an older version, without the length of its sequences; train again"
            )
        self.block = UTTERANCE_BLOCK if self.feat_type == "utt" else FRAME_BLOCK

    def batches(self, names: Sequence[str]) -> Iterator[tuple[Sequence[str], dict[str, torch.Tensor]]]:
        """(names, batch) for the samples `names`, each exactly once.

        Raises:
            UserError: a sample cannot be read.
        """
        if self.feat_type == "utt":
            rows = [torch.from_numpy(reader.utterances(names)) for reader in self.readers]
            yield names, self._batch(rows, len(names))
            return
        samples = [
            align_sample([reader.rows(name) for reader in self.readers], self.feat_type, self.scale, self.text)
            for name in names
        ]
        longest = [0] * len(self.readers)
        for number, length in zip(self.inputs, self.lengths, strict=True):
            longest[number] = length
        usual = [all(len(rows) <= most for rows, most in zip(sample, longest, strict=True)) for sample in samples]
        groups = [[number for number, fits in enumerate(usual) if fits]]
        groups += [[number] for number, fits in enumerate(usual) if not fits]
        for group in groups:
            if group:
                yield [names[number] for number in group], self._padded([samples[number] for number in group], longest)

    def _padded(self, samples: Sequence[list[np.ndarray]], longest: Sequence[int]) -> dict[str, torch.Tensor]:
        """Sequences of some samples ``(B, T, D)``, zeros in front up to `longest` or their own length."""
        arrays = []
        for sequences, length in zip(zip(*samples, strict=True), longest, strict=True):
            length = max(length, *map(len, sequences))
            arrays.append(torch.from_numpy(pad_front(sequences, length).astype(np.float32, copy=False)))
        return self._batch(arrays, len(samples))

    def _batch(self, arrays: Sequence[torch.Tensor], count: int) -> dict[str, torch.Tensor]:
        batch = {key: arrays[number] for key, number in zip(self.keys, self.inputs, strict=True)}
        return batch | {"emos": torch.zeros(count, dtype=torch.int64), "vals": torch.zeros(count)}


def _open(store: FeatureStore, folders: Sequence[Path], names: Sequence[str]) -> list:
    """A reader per folder; what they know of the folder's width comes from the first sample that is readable."""
    for start in range(min(_TRIES, len(names))):
        try:
            return list(store.readers(folders, names[start:]))
        except UserError as error:
            problem = error
    raise problem
