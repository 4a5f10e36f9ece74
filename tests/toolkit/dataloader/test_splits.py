"""Random folds: every sample is validated once, sizes as in the reference, a function of the seed."""

import numpy as np
import pytest

from toolkit.dataloader.splits import random_folds
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
