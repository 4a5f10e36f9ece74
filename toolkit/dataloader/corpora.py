"""ONE table of corpora: splits, label keys, outputs, metric (SPEC 3). A new corpus is a new row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.dataloader.splits import FOLD_MAKERS
from toolkit.globals import EMOS_MER, MISSING_VALENCE
from toolkit.utils.errors import UserError


@dataclass(frozen=True)
class Corpus:
    """One row of the table.

    Attributes:
        folds: how train and validation are made; a key of `toolkit.dataloader.splits.FOLD_MAKERS`.
        train: key of the label file that holds the training samples.
        tests: test set name -> key of the label file.
        emotions: label set; the position is the class index.
        emotion_is_text: whether the label file holds the label's text (else its index).
        outputs: (emotion logits, valence outputs) of a model on this corpus.
        metric: model selection, "emo", "emoval" or "loss" (`toolkit.utils.metric.selection_score`).
        hidden: test sets whose labels are placeholders: no score may be shown.
    """

    name: str
    folds: str
    train: str
    tests: Mapping[str, str]
    emotions: tuple[str, ...]
    outputs: tuple[int, int]
    metric: str
    emotion_is_text: bool = False
    hidden: frozenset[str] = frozenset()

    def class_indices(self, labels: Mapping[str, Mapping[str, Any]], place: str) -> np.ndarray:
        """Class index per sample ``(N,)`` int64; `place` names the label file and key in errors.

        Raises:
            UserError: a label outside `emotions`.
        """
        index = {emotion: number for number, emotion in enumerate(self.emotions)}
        values = []
        for name, label in labels.items():
            emo = label["emo"]
            number = index.get(emo) if isinstance(emo, str) else emo if not self.emotion_is_text else None
            if number is None or not 0 <= int(number) < max(1, len(self.emotions)):
                known = ", ".join(self.emotions)
                raise UserError(f"{place}: {name!r} has the unknown emotion {emo!r}; known: {known}")
            values.append(int(number))
        return np.asarray(values, dtype=np.int64)

    def valences(self, labels: Mapping[str, Mapping[str, Any]]) -> np.ndarray:
        """Valence per sample ``(N,)`` float32; missing ones are -10."""
        return np.asarray([label.get("val", MISSING_VALENCE) for label in labels.values()], dtype=np.float32)


CORPORA: dict[str, Corpus] = {
    corpus.name: corpus
    for corpus in (
        Corpus(
            name="MER2024",
            folds="random5",
            train="train_corpus",
            tests={"test1": "test1_corpus"},
            emotions=EMOS_MER,
            emotion_is_text=True,
            outputs=(6, 0),
            metric="emo",
            hidden=frozenset({"test1"}),
        ),
    )
}


def get_corpus(dataset: str) -> Corpus:
    """The row of `dataset`.

    Raises:
        UserError: no such row (lists the known ones).
    """
    if dataset not in CORPORA:
        raise UserError(f"--dataset {dataset}: cannot be trained on; known: {', '.join(CORPORA)}")
    return CORPORA[dataset]


def make_folds(corpus: Corpus, names: Sequence[str], seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The (train, validation) index pairs of `corpus`.

    Raises:
        UserError: too few samples.
    """
    return FOLD_MAKERS[corpus.folds](names, seed)
