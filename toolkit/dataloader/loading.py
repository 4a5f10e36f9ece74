"""Everything one training run reads: the corpus' row, its samples with features, and how they are cut into folds."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from toolkit.data.cache import FeatureStore
from toolkit.data.dataset import INPUT_KEYS, FusionDataset, read_dataset
from toolkit.data.labels import Labels, read_labels
from toolkit.dataloader.corpora import CORPORA, Corpus, get_corpus, make_folds
from toolkit.dataloader.cross import Samples, own_samples, pair_corpus, shared_samples
from toolkit.dataloader.extra_samples import read_extra_samples
from toolkit.dataloader.feature_folders import SideFeatures, choose_folders
from toolkit.dataloader.splits import Folds, session_of
from toolkit.globals import MISSING_VALENCE, CorpusPaths, corpus_paths
from toolkit.utils.errors import UserError


@dataclass(frozen=True)
class DataRequest:
    """What to read.

    Attributes:
        features: feature folder names, in input order.
        keys: batch key of each input.
        modalities: "A", "T" or "V" of each input.
        dataset: the corpus; or `train_dataset` and `test_dataset` of a cross-corpus run.
        data_root: folder that holds ``<dataset>-dataset-process``; None: the default.
        train_snr, test_snr: infix of the training (and validation) and of the test features; None: clean.
        snr_modalities: which modalities the infix applies to.
        num_workers: threads that read features.
        limit: at most so many samples of each split (the first; of each session as many as of the others).
        extra_train: csv of pseudo-labelled samples that are trained on, too (`toolkit.dataloader.extra_samples`).
    """

    features: tuple[str, ...]
    feat_type: str
    keys: tuple[str, ...] = INPUT_KEYS
    modalities: tuple[str, ...] = ("A", "T", "V")
    feat_scale: int = 1
    dataset: str | None = None
    train_dataset: str | None = None
    test_dataset: str | None = None
    data_root: str | os.PathLike | None = None
    train_snr: str | None = None
    test_snr: str | None = None
    snr_modalities: str = "AVT"
    num_workers: int = 0
    limit: int | None = None
    extra_train: str | os.PathLike | None = None


@dataclass(frozen=True)
class RunData:
    """What was read.

    Attributes:
        corpus: the row: outputs, metric, label set, hidden test sets.
        train: all samples that are not tests; of ``given`` splits the training samples, then the validation samples;
            at the end the pseudo-labelled ones.
        validation: how many of the labelled samples, at their end, the label file sets aside for validation.
        tests: test set name -> samples; sets the label file leaves empty are not in it.
        features, test_features: feature folders used, per input.
        notes: sentences for the user.
        extra: how many pseudo-labelled samples there are: every fold trains on them, none validates on them.
    """

    corpus: Corpus
    train: FusionDataset
    validation: int
    tests: dict[str, FusionDataset]
    features: tuple[str, ...]
    test_features: tuple[str, ...]
    notes: list[str] = field(default_factory=list)
    extra: int = 0

    def folds(self, seed: int) -> Folds:
        """(train, validation) indices into `train` per fold; those of the labelled samples do not depend on `extra`.

        Raises:
            UserError: too few samples.
        """
        labelled = len(self.train) - self.extra
        added = np.arange(labelled, len(self.train))
        pairs = make_folds(self.corpus, self.train.names[:labelled], seed, self.validation)
        return [(np.concatenate([training, added]), validation) for training, validation in pairs]


@dataclass(frozen=True)
class _Side:
    """Training or testing: which corpus, where, and how its labels become targets."""

    row: Corpus
    paths: CorpusPaths
    labels: dict[str, Labels]
    convert: Callable[[Corpus, Labels, str], Samples]

    def samples(self, key: str) -> Samples:
        samples = self.convert(self.row, self.labels[key], f"{self.paths.label}, {key}")
        if not samples.names:
            kind = "no samples" if not self.labels[key] else "no samples of the shared emotions"
            raise UserError(f"{self.paths.label}: {key} holds {kind}")
        return samples


def load_run_data(request: DataRequest) -> RunData:
    """Read labels and features of a run.

    Raises:
        UserError: an unknown corpus or pair, missing label keys or feature folders (all of them named), unusable labels
            or features, or tests whose features have other widths.
    """
    corpus, train_side, test_side = _sides(request)
    notes: list[str] = []
    folders = _folders(request, train_side, test_side, bool(corpus.tests), notes)
    train, validation = _training_samples(corpus, train_side, request.limit)
    tests = {name: test_side.samples(key) for name, key in corpus.tests.items() if test_side.labels[key]}
    tests = {name: _first(samples, request.limit) for name, samples in tests.items()}
    _check_valences(corpus, train, tests, train_side, notes)
    notes += _shared_names(train, validation, tests)
    extra = _extra_samples(request, corpus, train_side, tests, folders["training"].folders, notes)
    store = FeatureStore(request.num_workers)

    def read(split: str, samples: Samples, side: SideFeatures) -> FusionDataset:
        return read_dataset(
            side.folders,
            samples.names,
            samples.emos,
            samples.vals,
            request.feat_type,
            request.feat_scale,
            keys=request.keys,
            num_workers=request.num_workers,
            label=f"reading {split}",
            store=store,
        )

    train_set = read("train", _joined(train, extra), folders["training"])
    test_sets = {name: read(name, samples, folders["test"]) for name, samples in tests.items()}
    for name, dataset in test_sets.items():
        if dataset.widths != train_set.widths:
            raise UserError(f"{name} has features of widths {dataset.widths}, training has {train_set.widths}")
    used = {side: tuple(folder.name for folder in chosen.folders) for side, chosen in folders.items()}
    notes += store.notes
    return RunData(corpus, train_set, validation, test_sets, used["training"], used["test"], notes, len(extra.names))


def request_corpus(request: DataRequest) -> Corpus:
    """The row of a request, without reading anything.

    Raises:
        UserError: an unknown corpus, or a pair that does not fit.
    """
    if request.train_dataset or request.test_dataset:
        return pair_corpus(request.train_dataset, request.test_dataset)
    return get_corpus(request.dataset or "(none)", request.data_root)


def _sides(request: DataRequest) -> tuple[Corpus, _Side, _Side]:
    corpus = request_corpus(request)
    cross = bool(request.train_dataset)
    train_keys = [key for key in (corpus.train, corpus.validation) if key]
    convert = shared_samples if cross else own_samples
    if not cross:
        paths = corpus_paths(corpus.name, request.data_root)
        side = _Side(corpus, paths, _labels(paths, [*train_keys, *corpus.tests.values()]), convert)
        return corpus, side, side
    sides = []
    for dataset, keys in ((request.train_dataset, train_keys), (request.test_dataset, list(corpus.tests.values()))):
        paths = corpus_paths(dataset, request.data_root)
        sides.append(_Side(CORPORA[dataset], paths, _labels(paths, keys), convert))
    return corpus, sides[0], sides[1]


def _labels(paths: CorpusPaths, keys: Sequence[str]) -> dict[str, Labels]:
    labels = read_labels(paths.label)
    missing = [key for key in keys if key not in labels]
    if missing:
        raise UserError(f"{paths.label}: no {', '.join(missing)} in it; it has {', '.join(labels)}")
    return labels


def _folders(
    request: DataRequest, train_side: _Side, test_side: _Side, has_tests: bool, notes: list[str]
) -> dict[str, SideFeatures]:
    """The feature folders of both sides; everything missing is named at once."""
    plans = [("training", train_side.paths.features, request.train_snr)]
    if has_tests:
        plans.append(("test", test_side.paths.features, request.test_snr))
    elif request.test_snr:
        notes.append(f"--test_snr {request.test_snr}: the corpus has no test set, so it changes nothing")
    found: dict[str, SideFeatures] = {}
    problems: list[str] = []
    for name, root, infix in plans:
        try:
            found[name] = choose_folders(
                name, root, request.features, request.modalities, infix, request.snr_modalities
            )
        except UserError as error:
            if str(error) not in problems:
                problems.append(str(error))
    if problems:
        raise UserError("\n".join(problems))
    notes += [note for side in found.values() for note in side.notes]
    return {"test": SideFeatures((), ())} | found


def _training_samples(corpus: Corpus, side: _Side, limit: int | None) -> tuple[Samples, int]:
    """Training samples, then the label file's validation samples and how many of them there are."""
    train = side.samples(corpus.train)
    if corpus.folds == "session" and limit is not None:
        train = _first_of_each_session(train, limit)
    train = _first(train, limit)
    if corpus.validation is None:
        return train, 0
    validation = _first(side.samples(corpus.validation), limit)
    return _joined(train, validation), len(validation.names)


def _joined(first: Samples, second: Samples) -> Samples:
    return Samples(
        first.names + second.names,
        np.concatenate([first.emos, second.emos]),
        np.concatenate([first.vals, second.vals]),
    )


def _extra_samples(
    request: DataRequest,
    corpus: Corpus,
    side: _Side,
    tests: Mapping[str, Samples],
    folders: Sequence[Path],
    notes: list[str],
) -> Samples:
    """The pseudo-labelled samples of the request, none without ``extra_train``; what is to be said goes to `notes`."""
    if request.extra_train is None:
        return Samples((), np.zeros(0, np.int64), np.zeros(0, np.float32))
    labelled = dict.fromkeys(side.labels[corpus.train], "training sample")
    if corpus.validation:
        labelled |= dict.fromkeys(side.labels[corpus.validation], "validation sample")
    path = Path(request.extra_train).expanduser()
    extra = read_extra_samples(path, corpus, labelled, list(dict.fromkeys(folders)), request.limit)
    count = len(extra.names)
    notes.append(f"--extra_train {path}: {count} pseudo-labelled samples join the training part of every fold")
    for name, samples in tests.items():
        count = len(set(extra.names) & set(samples.names))
        if count:
            notes.append(
                f"{name}: {count} of its {len(samples.names)} samples are trained on with pseudo-labels; where its "
                "labels are known, its scores are not those of unseen clips"
            )
    return extra


def _first(samples: Samples, limit: int | None) -> Samples:
    return Samples(samples.names[:limit], samples.emos[:limit], samples.vals[:limit])


def _first_of_each_session(samples: Samples, limit: int) -> Samples:
    """So few that each session has its share of `limit`, in the old order."""
    sessions = np.array([session_of(name) for name in samples.names])
    existing = np.unique(sessions)
    share = max(1, limit // len(existing))
    kept = np.sort(np.concatenate([np.flatnonzero(sessions == session)[:share] for session in existing]))
    return Samples(tuple(samples.names[row] for row in kept), samples.emos[kept], samples.vals[kept])


def _check_valences(
    corpus: Corpus, train: Samples, tests: Mapping[str, Samples], side: _Side, notes: list[str]
) -> None:
    """A missing valence (-10) must neither be learned nor scored."""
    if not corpus.outputs[1]:
        return
    missing = np.flatnonzero(train.vals == MISSING_VALENCE)
    if len(missing):
        raise UserError(
            f"{side.paths.label}: {len(missing)} training samples have no valence ({MISSING_VALENCE}), "
            f"the first is {train.names[missing[0]]!r}; {corpus.name} is trained on valence"
        )
    for name, samples in tests.items():
        count = int((samples.vals == MISSING_VALENCE).sum())
        if count:
            notes.append(f"{name}: {count} of {len(samples.names)} samples have no valence to be scored on")


def _shared_names(train: Samples, validation: int, tests: Mapping[str, Samples]) -> list[str]:
    """Notes on names that stand on both sides of a split."""
    learned = set(train.names[: len(train.names) - validation])
    others = {"validation": train.names[len(train.names) - validation :]} if validation else {}
    others |= {name: samples.names for name, samples in tests.items()}
    counts = {split: sum(name in learned for name in names) for split, names in others.items()}
    return [
        f"{split}: {count} of {len(others[split])} names are among the training samples too; "
        "if these are the same clips, its scores say little"
        for split, count in counts.items()
        if count
    ]


def features_root(dataset: str, data_root: str | os.PathLike | None = None) -> Path:
    """Where the feature folders of `dataset` are."""
    return corpus_paths(dataset, data_root).features
