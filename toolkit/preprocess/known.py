"""How many samples the whole of a corpus has, as its preprocess module states it."""

from __future__ import annotations

import importlib

from toolkit.globals import CORPUS_LAYOUTS


def known_sizes(dataset: str) -> str:
    """``train_corpus 5,030, test1_corpus 115,595``; "" for a corpus of the user's own, of which nothing is known."""
    if dataset not in CORPUS_LAYOUTS:
        return ""
    if dataset.startswith("IEMOCAP"):
        from toolkit.preprocess.iemocap import KEY, SETS

        _, _, by_table, by_evaluation = SETS[dataset]
        other = f" ({by_evaluation:,} by EmoEvaluation)" if by_evaluation != by_table else ""
        return f"{KEY} {by_table:,}{other}"
    known = importlib.import_module(f"toolkit.preprocess.{dataset.lower()}").KNOWN
    return ", ".join(f"{split} {count:,}" for split, count in known.items())
