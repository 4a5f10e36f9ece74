"""What all searches of a table have in common, as the arguments of ``main-release.py``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.dataloader.corpora import Corpus, get_corpus
from toolkit.globals import corpus_paths
from toolkit.train import arguments
from toolkit.utils.errors import UserError

_FIXED = {"feat_type": "utt", "search": "random", "train_dataset": None, "test_dataset": None, "resume": True}

_CONDITIONS = ("train_snr", "test_snr", "extra_train", "hyper_path", "lr", "debug")  # worth a word in the table's head


@dataclass(frozen=True)
class Protocol:
    """`trials` random draws from `seed` on, the best `repeats` times more, on one corpus.

    Attributes:
        further: flags of ``main-release.py`` that every search gets, for example ``("--epochs", "50")``.
        output: folder for the tables.
    """

    dataset: str
    data_root: str | None
    save_root: str
    trials: int
    repeats: int
    seed: int
    gpu: int
    further: tuple[str, ...]
    output: Path

    @property
    def features_root(self) -> Path:
        """Folder of the corpus' feature folders."""
        return corpus_paths(self.dataset, self.data_root).features

    def corpus(self) -> Corpus:
        """The corpus' row.

        Raises:
            UserError: there is none, or its samples have no labels (then no feature is better than another).
        """
        corpus = get_corpus(self.dataset, self.data_root)
        if corpus.metric == "loss":
            raise UserError(f"--dataset {self.dataset}: it has no labels, so there is no score for a table")
        return corpus

    def search(self, **own: Any) -> argparse.Namespace:
        """The checked arguments of the search with the flags `own` (None: leave the flag out).

        Raises:
            UserError: a wrong flag, or one of `further` that the table itself decides.
        """
        flags = {
            "dataset": self.dataset,
            "data_root": self.data_root,
            "save_root": self.save_root,
            "trials": self.trials,
            "repeat_best": self.repeats,
            "seed": self.seed,
            "gpu": self.gpu,
            "feat_type": "utt",
            **own,
        }
        given = [f"--{flag}={value}" for flag, value in flags.items() if value is not None]
        args = arguments.parse([*given, "--resume", *self.further], None)
        decided: Mapping[str, Any] = _FIXED | {
            key: value for key, value in flags.items() if key not in ("data_root", "gpu")
        }
        for flag, value in decided.items():
            if getattr(args, flag) != value:
                raise UserError(f"--{flag} {getattr(args, flag)}: the table decides that (here: {value}); leave it out")
        return args

    def describe(self, args: argparse.Namespace) -> str:
        """How the figures came about, in Markdown; `args`: of any search of the table."""
        corpus = self.corpus()
        source = "the validation set" if corpus.folds == "given" else "cross-validation"
        last = self.seed + self.trials
        runs = f"the best of {self.trials} random draws (seeds {self.seed} to {last - 1})"
        if self.repeats:
            runs = f"{self.repeats} further runs (seeds {last} to {last + self.repeats - 1}) of {runs}"
            runs = f"Mean \u00b1 standard deviation over {runs}"
        else:
            runs = f"Figures of {runs}"
        conditions = [f"--{flag} {getattr(args, flag)}" for flag in _CONDITIONS if getattr(args, flag)]
        given = f"{self.dataset}, model {args.model}, {args.epochs} epochs, batch {args.batch_size}"
        texts = [f"{', '.join([given, *conditions])}. {runs}."]
        texts.append(
            f"Scores without the name of a test set are those of {source}, each fold at the epoch that is best on it: "
            "they are optimistic."
        )
        if not corpus.emotions:
            texts.append("Weighted F1 and accuracy are those of (valence > 0), where the true valence is not 0.")
        if corpus.hidden:
            texts.append(f"The labels of {', '.join(sorted(corpus.hidden))} are hidden, so there is no score on it.")
        return " ".join(texts)
