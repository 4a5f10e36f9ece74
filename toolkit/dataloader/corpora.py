"""ONE table of corpora: splits, label keys, outputs, metric (SPEC 3). A new corpus is a new row.

Rows of the user's own corpora come from their ``corpus.yaml`` (`toolkit.data.corpus_file`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.data.corpus_file import read_corpus_file
from toolkit.dataloader.splits import FOLD_MAKERS
from toolkit.globals import (
    CUSTOM_FILE,
    EMOS_IEMOCAP_FOUR,
    EMOS_IEMOCAP_SIX,
    EMOS_MELD,
    EMOS_MER,
    MISSING_VALENCE,
    UnknownDataset,
    corpus_paths,
)
from toolkit.utils.errors import UserError


@dataclass(frozen=True)
class Corpus:
    """One row of the table.

    Attributes:
        folds: how train and validation are made; a key of `toolkit.dataloader.splits.FOLD_MAKERS`.
        train: key of the label file that holds the training samples.
        validation: key of the validation samples, for ``given`` folds only.
        tests: test set name -> key of the label file; the names begin those of the results files.
        emotions: label set; the position is the class index. Empty: emotions are not used.
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
    validation: str | None = None
    emotion_is_text: bool = False
    hidden: frozenset[str] = frozenset()

    def class_indices(self, labels: Mapping[str, Mapping[str, Any]], place: str) -> np.ndarray:
        """Class index per sample ``(N,)`` int64, all 0 without `emotions`; `place` names label file and key in errors.

        Raises:
            UserError: a label outside `emotions`.
        """
        if not self.emotions:
            return np.zeros(len(labels), np.int64)
        index = {emotion: number for number, emotion in enumerate(self.emotions)}
        values = []
        for name, label in labels.items():
            number = index.get(label["emo"]) if isinstance(label["emo"], str) else self._index(label["emo"])
            if number is None:
                known = ", ".join(f"{number} {emotion}" for emotion, number in index.items())
                known = ", ".join(self.emotions) if self.emotion_is_text else known
                raise UserError(f"{place}: {name!r} has the unknown emotion {label['emo']!r}; known: {known}")
            values.append(number)
        return np.asarray(values, dtype=np.int64)

    def _index(self, emo: Any) -> int | None:
        """A stored class index as an int; None when it is none of this corpus'."""
        try:
            number = int(emo)
        except (TypeError, ValueError):
            return None
        valid = not self.emotion_is_text and number == emo and 0 <= number < len(self.emotions)
        return number if valid else None

    def valences(self, labels: Mapping[str, Mapping[str, Any]], place: str = "") -> np.ndarray:
        """Valence per sample ``(N,)`` float32; missing ones are -10.

        Raises:
            UserError: a valence that is no finite number.
        """
        values = []
        for name, label in labels.items():
            try:
                value = float(label.get("val", MISSING_VALENCE))
            except (TypeError, ValueError):
                value = np.nan
            if not np.isfinite(value):
                raise UserError(f"{place}: {name!r} has the valence {label['val']!r}, not a finite number")
            values.append(value)
        return np.asarray(values, dtype=np.float32)


def _with_sessions(name: str, emotions: tuple[str, ...]) -> Corpus:
    """IEMOCAP: one key, leave one session out, no test."""
    return Corpus(name, "session", "whole_corpus", {}, emotions, (len(emotions), 0), "emo")


def _with_given_splits(name: str, emotions: tuple[str, ...], outputs: tuple[int, int]) -> Corpus:
    """Corpora which come with training, validation and test samples."""
    tests = {"test1": "test_corpus"}
    return Corpus(name, "given", "train_corpus", tests, emotions, outputs, "emo", validation="val_corpus")


_ROWS = (
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
    Corpus(
        name="MER2023",
        folds="random5",
        train="train_corpus",
        tests={"test1": "test1_corpus", "test2": "test2_corpus", "test3": "test3_corpus"},
        emotions=EMOS_MER,
        emotion_is_text=True,
        outputs=(6, 1),
        metric="emoval",
    ),
    Corpus("MER2023_UNLABEL", "first_of_random5", "train_corpus", {}, (), (0, 0), "loss"),
    _with_sessions("IEMOCAPFour", EMOS_IEMOCAP_FOUR),
    _with_sessions("IEMOCAPSix", EMOS_IEMOCAP_SIX),
    _with_given_splits("CMUMOSI", (), (0, 1)),
    _with_given_splits("CMUMOSEI", (), (0, 1)),
    _with_given_splits("SIMS", (), (0, 1)),
    _with_given_splits("SIMSv2", (), (0, 1)),
    _with_given_splits("MELD", EMOS_MELD, (7, 0)),
)
CORPORA: dict[str, Corpus] = {corpus.name: corpus for corpus in _ROWS}


def get_corpus(dataset: str, data_root: str | os.PathLike | None = None) -> Corpus:
    """The row of `dataset`: of the table, or of the user's own corpus of this name below `data_root`.

    Raises:
        UserError: no such row (lists the known ones), or a ``corpus.yaml`` that is wrong.
    """
    if dataset in CORPORA:
        return CORPORA[dataset]
    try:
        paths = corpus_paths(dataset, data_root)
    except UnknownDataset as error:
        raise UserError(f"--dataset {dataset}: cannot be trained on; {error.hint}") from None
    stated = read_corpus_file(paths.root / CUSTOM_FILE)
    return Corpus(
        name=stated.name,
        folds=stated.folds,
        train=stated.train,
        tests=stated.tests,
        emotions=stated.emotions,
        outputs=stated.outputs,
        metric=stated.metric,
        validation=stated.validation,
        emotion_is_text=bool(stated.emotions),
        hidden=frozenset(stated.hidden),
    )


def make_folds(
    corpus: Corpus, names: Sequence[str], seed: int, validation: int = 0
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The (train, validation) index pairs of `corpus`; the last `validation` of `names` are its validation samples.

    Raises:
        UserError: too few samples.
    """
    return FOLD_MAKERS[corpus.folds](names, seed, validation)
