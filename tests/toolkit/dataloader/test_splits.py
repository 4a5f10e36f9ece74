"""Random folds: every sample is validated once, sizes as in the reference, a function of the seed."""

import numpy as np
import pytest

from toolkit.dataloader.splits import first_random_fold, given_fold, random_folds, session_folds
from toolkit.utils.errors import UserError


@pytest.mark.parametrize(("total", "sizes"), [(5, [1] * 5), (9, [1, 1, 1, 1, 5]), (13, [2, 2, 2, 2, 5])])
def test_sizes(total, sizes):
    folds = random_folds([str(number) for number in range(total)], seed=0)
    assert [len(validation) for _, validation in folds] == sizes
    assert sorted(np.concatenate([validation for _, validation in folds])) == list(range(total))
    for training, validation in folds:
        assert sorted(np.concatenate([training, validation])) == list(range(total))


def test_the_seed_decides():
    names = [str(number) for number in range(50)]
    first, again, other = (random_folds(names, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0][1], other[0][1])
    assert not np.array_equal(np.concatenate([v for _, v in first]), np.arange(50))


def test_fewer_samples_than_folds():
    with pytest.raises(UserError, match="4 labelled samples cannot be cut into 5 folds"):
        random_folds(list("abcd"), seed=0)


def test_the_first_of_the_random_folds():
    names = [str(number) for number in range(13)]
    ((training, validation),) = first_random_fold(names, 4)
    assert np.array_equal(training, random_folds(names, 4)[0][0])
    assert np.array_equal(validation, random_folds(names, 4)[0][1])


def test_sessions_are_the_fifth_character():
    names = ["Ses03F_a", "Ses01F_b", "Ses03M_c", "Ses02F_d"]
    assert [(t.tolist(), v.tolist()) for t, v in session_folds(names)] == [
        ([0, 2, 3], [1]),
        ([0, 1, 2], [3]),
        ([1, 3], [0, 2]),
    ]


def test_names_without_sessions():
    with pytest.raises(UserError, match="'Ses0' has no session"):
        session_folds(["Ses01F_a", "Ses0"])
    with pytest.raises(UserError, match="at least 2 sessions; sessions found: 1"):
        session_folds(["Ses01F_a", "Ses01F_b"])


def test_the_given_fold():
    ((training, validation),) = given_fold(list("abcde"), validation=2)
    assert (training.tolist(), validation.tolist()) == ([0, 1, 2], [3, 4])
    for count in (0, 5):
        with pytest.raises(UserError, match=f"{5 - count} training and {count} validation samples"):
            given_fold(list("abcde"), validation=count)
