"""From the rows of a label csv to a corpus: its ``corpus.yaml`` and its label file's content.

Rules (docs/custom-corpus.md): the column label makes an emotion corpus, valence a regression corpus like CMUMOSI, both
one like MER2023. With validation clips training has one given fold, without any it has 5 random ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from toolkit.data.corpus_file import CorpusFile
from toolkit.data.labels import Labels
from toolkit.globals import MISSING_VALENCE
from toolkit.preprocess.custom_table import Clip
from toolkit.utils.errors import UserError

TRAIN, VALIDATION, TEST, HIDDEN = "train_corpus", "val_corpus", "test_corpus", "hidden_corpus"  # keys of label.npz
RANDOM_FOLDS = 5
_KEY_OF_SPLIT = {"train": TRAIN, "val": VALIDATION, "test": TEST}


def key_of(clip: Clip) -> str:
    """The key of the label file under which a clip stands."""
    return _KEY_OF_SPLIT[clip.split] if clip.labelled else HIDDEN


def describe(
    name: str, targets: Sequence[str], emotions: Sequence[str], clips: Sequence[Clip], path: Path
) -> CorpusFile:
    """What a corpus of `clips` (those that have a video) states about itself; `path` is the csv that is to be mended.

    Raises:
        UserError: too few clips to train on, or valences that the model selection cannot use.
    """
    counts = Counter(key_of(clip) for clip in clips)
    _check_counts(counts, path)
    valence = "valence" in targets
    if valence and not emotions:
        _check_signs([clip for clip in clips if clip.split != "test"], path)
    tests = [key for key in (TEST, HIDDEN) if counts[key]]
    named = {f"test{number}": key for number, key in enumerate(tests, start=1)}
    return CorpusFile(
        name=name,
        emotions=tuple(emotions),
        outputs=(len(emotions), int(valence)),
        metric="emoval" if valence and emotions else "emo",
        folds="given" if counts[VALIDATION] else "random5",
        train=TRAIN,
        validation=VALIDATION if counts[VALIDATION] else None,
        tests=named,
        hidden=tuple(test for test, key in named.items() if key == HIDDEN),
    )


def _check_counts(counts: Counter[str], path: Path) -> None:
    training = counts[TRAIN]
    if not training:
        raise UserError(f"{path}: no clip that has a video is in the split train; there is nothing to train on")
    if not counts[VALIDATION] and training < RANDOM_FOLDS:
        raise UserError(
            f"{path}: {training} training clips with a video; {RANDOM_FOLDS} folds need at least {RANDOM_FOLDS} "
            "(or give clips of the split val)"
        )


def _check_signs(clips: Sequence[Clip], path: Path) -> None:
    """A corpus of valence alone is selected by the F1 of (valence > 0), zeros left out: both signs must occur."""
    values = [clip.valence for clip in clips if clip.valence]
    if min(values, default=0) >= 0 or max(values, default=0) <= 0:
        lowest, highest = min(values, default=0), max(values, default=0)
        raise UserError(
            f"{path}: the valences to learn from lie between {lowest:g} and {highest:g}; the best epoch is chosen by "
            "whether valence > 0 is right, so both signs must occur: subtract the middle of your scale"
        )


def label_dicts(corpus: CorpusFile, clips: Sequence[Clip]) -> dict[str, Labels]:
    """The label file's content: key -> name -> ``{'emo', 'val'}``, in the order of `clips`.

    ``emo`` is the label's text (0 in a corpus of valence alone), ``val`` -10 where there is none. Hidden clips have the
    first emotion as a placeholder.
    """
    keys = [corpus.train, *([corpus.validation] if corpus.validation else []), *corpus.tests.values()]
    labels: dict[str, Labels] = {key: {} for key in keys}
    placeholder = corpus.emotions[0] if corpus.emotions else 0
    for clip in clips:
        emo = placeholder if clip.label is None else clip.label
        val = float(MISSING_VALENCE if clip.valence is None else clip.valence)
        labels[key_of(clip)][clip.name] = {"emo": emo, "val": val}
    return labels


def summary(corpus: CorpusFile, labels: dict[str, Labels]) -> str:
    """One or two lines: clips per split, and per emotion in training."""
    training = labels[corpus.train]
    parts = [f"train {len(training)}" + ("" if corpus.validation else f" in {RANDOM_FOLDS} random folds")]
    parts += [f"val {len(labels[corpus.validation])}"] if corpus.validation else []
    for test, key in corpus.tests.items():
        parts.append(
            f"{test} {len(labels[key])}" + (" without labels (no score will be shown)" if test in corpus.hidden else "")
        )
    lines = [f"{corpus.name}: {', '.join(parts)}"]
    if corpus.emotions:
        counts = Counter(label["emo"] for label in training.values())
        lines.append("training clips: " + ", ".join(f"{emotion} {counts[emotion]}" for emotion in corpus.emotions))
    if corpus.outputs[1]:
        values = [label["val"] for label in training.values()]
        lines.append(f"valence of the training clips: {min(values):g} to {max(values):g}")
    return "\n".join(lines)
