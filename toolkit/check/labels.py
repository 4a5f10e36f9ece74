"""The label file: splits, classes, valences, names in two splits."""

from __future__ import annotations

from collections import Counter

from toolkit.check.findings import Part
from toolkit.check.subject import Subject
from toolkit.data.labels import Labels, read_labels
from toolkit.dataloader.corpora import Corpus
from toolkit.globals import MISSING_VALENCE
from toolkit.preprocess.known import known_sizes
from toolkit.utils.errors import UserError


def check_labels(subject: Subject) -> Part:
    """Read the label file and note its faults; its names become those that all other parts are held against."""
    path = subject.paths.label
    part = Part("labels", "labels", str(path))
    try:
        splits = read_labels(path)
    except UserError as error:
        part.add("label_file", path.name, str(error).removeprefix(f"{path}: ").removeprefix(f"{path} "))
        return part
    part.fact("samples", ", ".join(f"{split} {len(labels):,}" for split, labels in splits.items()) or "none")
    if whole := known_sizes(subject.paths.dataset):
        part.fact("whole corpus", whole)
    _names(part, subject, splits)
    if subject.corpus is None:
        part.fact("classes", "not checked: this corpus is not in the table of corpora")
        return part
    corpus = subject.corpus
    for split in (corpus.train, corpus.validation, *corpus.tests.values()):
        if split is not None and not splits.get(split):
            part.add("label_key", split, "is not there" if split not in splits else "is empty")
    hidden = {corpus.tests[name] for name in corpus.hidden if name in corpus.tests}
    for split, labels in splits.items():
        if split in hidden:
            part.fact(split, "labels are hidden (placeholders)")
        if corpus.emotions:
            _classes(part, corpus, split, labels, split in hidden)
        if corpus.outputs[1] or not corpus.emotions:
            _valences(part, corpus, split, labels)
    return part


def _names(part: Part, subject: Subject, splits: dict[str, Labels]) -> None:
    first: dict[str, str] = {}
    for split, labels in splits.items():
        for name in labels:
            if name in first:
                part.add("label_twice", name, f"{first[name]} and {split}")
            first.setdefault(name, split)
    if first:
        subject.names, subject.source = tuple(first), subject.paths.label.name


def _classes(part: Part, corpus: Corpus, split: str, labels: Labels, hidden: bool) -> None:
    counts: Counter[str] = Counter()
    for name, label in labels.items():
        try:
            number = corpus.class_indices({name: label}, split)[0]
        except UserError:
            part.add("label_emotion", name, f"{label['emo']!r} in {split}; classes: {', '.join(corpus.emotions)}")
            continue
        counts[corpus.emotions[number]] += 1
    if not hidden:
        part.fact(split, ", ".join(f"{emotion} {counts[emotion]:,}" for emotion in corpus.emotions))
    if split == corpus.train and labels:
        for emotion in corpus.emotions:
            if not counts[emotion]:
                part.add("label_class_empty", emotion, split)


def _valences(part: Part, corpus: Corpus, split: str, labels: Labels) -> None:
    values = []
    for name, label in labels.items():
        try:
            value = float(corpus.valences({name: label}, split)[0])
        except UserError:
            part.add("label_valence", name, f"{label.get('val')!r} in {split}")
            continue
        if value == MISSING_VALENCE and corpus.outputs[1]:
            part.add("label_valence_missing", name, split)
        else:
            values.append(value)
    if values and corpus.outputs[1]:
        part.fact(f"{split} valence", f"{min(values):g} to {max(values):g}, mean {sum(values) / len(values):.3f}")
