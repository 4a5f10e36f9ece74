"""Cross-corpus runs: train on one corpus, test on another (SPEC 3, last paragraph).

Two families fit together: valence corpora (one scale of -3 to 3, so the labels of SIMS and SIMSv2 are times 3), and
emotion corpora, reduced to the four classes they share. Training keeps the training corpus' own protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from toolkit.dataloader.corpora import CORPORA, Corpus
from toolkit.globals import EMOS_IEMOCAP_FOUR, MISSING_VALENCE
from toolkit.utils.errors import UserError

SHARED_EMOTIONS = EMOS_IEMOCAP_FOUR  # happy, sad, neutral, angry
VALENCE_SCALES = {"CMUMOSI": 1.0, "CMUMOSEI": 1.0, "SIMS": 3.0, "SIMSv2": 3.0}
# emotion corpus -> the key of its test samples
EMOTION_TESTS = {
    "IEMOCAPFour": "whole_corpus",
    "IEMOCAPSix": "whole_corpus",
    "MER2023": "test1_corpus",
    "MELD": "test_corpus",
}
_SHARED_NAME = {"joy": "happy", "sadness": "sad", "anger": "angry"} | {emotion: emotion for emotion in SHARED_EMOTIONS}


@dataclass(frozen=True)
class Samples:
    """Names, class indices ``(N,)`` int64 and valences ``(N,)`` float32 of some samples, in label-file order."""

    names: tuple[str, ...]
    emos: np.ndarray
    vals: np.ndarray


def pair_corpus(train_dataset: str | None, test_dataset: str | None) -> Corpus:
    """The row of a cross-corpus run; its training keys are those of `train_dataset`, its tests of `test_dataset`.

    Raises:
        UserError: the two do not fit together (lists what does).
    """
    train, test = train_dataset or "(none)", test_dataset or "(none)"
    for family in (VALENCE_SCALES, EMOTION_TESTS):
        if train in family and test in family and train != test:
            row = replace(CORPORA[train], name=f"{train}->{test}", hidden=frozenset())
            if family is VALENCE_SCALES:
                return replace(row, tests={"test1": CORPORA[test].tests["test1"]})
            return replace(
                row,
                tests={"test1": EMOTION_TESTS[test]},
                emotions=SHARED_EMOTIONS,
                emotion_is_text=True,
                outputs=(len(SHARED_EMOTIONS), 0),
                metric="emo",
            )
    raise UserError(
        f"--train_dataset {train} --test_dataset {test}: no such cross-corpus pair; two different ones of "
        f"{', '.join(VALENCE_SCALES)} (valence) or of {', '.join(EMOTION_TESTS)} (emotions "
        f"{', '.join(SHARED_EMOTIONS)}) fit together"
    )


def own_samples(corpus: Corpus, labels: Mapping[str, Mapping[str, Any]], place: str) -> Samples:
    """The samples of a label-file key as the corpus itself labels them.

    Raises:
        UserError: an unknown emotion or an impossible valence; `place` names label file and key.
    """
    return Samples(tuple(labels), corpus.class_indices(labels, place), corpus.valences(labels, place))


def shared_samples(corpus: Corpus, labels: Mapping[str, Mapping[str, Any]], place: str) -> Samples:
    """The samples of a label-file key of `corpus`, relabelled for cross-corpus runs.

    Emotions become indices into `SHARED_EMOTIONS`, samples of other classes are left out; valences are scaled.

    Raises:
        UserError: an unknown emotion or an impossible valence; `place` names label file and key.
    """
    samples = own_samples(corpus, labels, place)
    if corpus.name in VALENCE_SCALES:
        scale = np.float32(VALENCE_SCALES[corpus.name])
        missing = samples.vals == MISSING_VALENCE
        return replace(samples, vals=np.where(missing, samples.vals, samples.vals * scale).astype(np.float32))
    shared = [_SHARED_NAME.get(emotion) for emotion in corpus.emotions]
    new_index = np.array([-1 if name is None else SHARED_EMOTIONS.index(name) for name in shared])
    emos = new_index[samples.emos]
    kept = np.flatnonzero(emos >= 0)
    return Samples(tuple(samples.names[row] for row in kept), emos[kept], samples.vals[kept])
