"""How a corpus is cut into folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from toolkit.utils.errors import UserError

FOLDS = 5
Folds = list[tuple[np.ndarray, np.ndarray]]  # (train indices, validation indices) per fold


def random_folds(names: Sequence[str], seed: int) -> Folds:
    """Shuffle, cut into 5 parts of ``N // 5``, the rest in the last; each part is the validation set once.

    The shuffle is numpy's PCG64 generator with `seed`, so the folds are a function of (N, seed).

    Raises:
        UserError: fewer samples than folds.
    """
    if len(names) < FOLDS:
        raise UserError(f"{len(names)} labelled samples cannot be cut into {FOLDS} folds; at least {FOLDS} are needed")
    order = np.random.default_rng(seed).permutation(len(names))
    part = len(names) // FOLDS
    bounds = [part * fold for fold in range(FOLDS)] + [len(names)]
    pieces = [order[bounds[fold] : bounds[fold + 1]] for fold in range(FOLDS)]
    return [(np.concatenate(pieces[:fold] + pieces[fold + 1 :]), pieces[fold]) for fold in range(FOLDS)]


FOLD_MAKERS: dict[str, Callable[[Sequence[str], int], Folds]] = {"random5": random_folds}
