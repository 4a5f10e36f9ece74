"""How a corpus is cut into folds.

A fold maker takes the names of all samples that are not tests, a seed, and how many of them, at the end, the label file
itself sets aside for validation; it gives (train indices, validation indices) per fold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from toolkit.utils.errors import UserError

FOLDS = 5
SESSION_CHARACTER = 4  # "Ses01F_impro01_F000": the 5th character is the session
Folds = list[tuple[np.ndarray, np.ndarray]]  # (train indices, validation indices) per fold


def random_folds(names: Sequence[str], seed: int, validation: int = 0) -> Folds:
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


def first_random_fold(names: Sequence[str], seed: int, validation: int = 0) -> Folds:
    """The first of `random_folds`, alone."""
    return random_folds(names, seed)[:1]


def session_folds(names: Sequence[str], seed: int = 0, validation: int = 0) -> Folds:
    """One fold per session that occurs, in sorted order; each session is the validation set once. No chance in it.

    Raises:
        UserError: a name without a session, or fewer than two sessions.
    """
    sessions = np.array([session_of(name) for name in names])
    existing = sorted(set(sessions.tolist()))
    if len(existing) < 2:
        found = ", ".join(existing) or "none"
        raise UserError(f"leaving one session out needs samples of at least 2 sessions; sessions found: {found}")
    return [(np.flatnonzero(sessions != session), np.flatnonzero(sessions == session)) for session in existing]


def session_of(name: str) -> str:
    """The session of an IEMOCAP clip: the 5th character of its name.

    Raises:
        UserError: the name is shorter.
    """
    if len(name) <= SESSION_CHARACTER:
        raise UserError(f"sample {name!r} has no session, which is the 5th character of a name (Ses01F_impro01_F000)")
    return name[SESSION_CHARACTER]


def given_fold(names: Sequence[str], seed: int = 0, validation: int = 0) -> Folds:
    """One fold, the label file's own: the last `validation` samples validate, those before them train.

    Raises:
        UserError: either part is empty.
    """
    training = len(names) - validation
    if validation < 1 or training < 1:
        raise UserError(f"{training} training and {validation} validation samples: both need at least one")
    return [(np.arange(training), np.arange(training, len(names)))]


FOLD_MAKERS: dict[str, Callable[[Sequence[str], int, int], Folds]] = {
    "random5": random_folds,
    "first_of_random5": first_random_fold,
    "session": session_folds,
    "given": given_fold,
}
