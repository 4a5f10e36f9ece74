"""The models' own losses against slow numpy versions and hand-worked cases."""

import numpy as np
import pytest
import torch

from toolkit.models.losses import (
    central_moment_discrepancy,
    contrastive_loss,
    difference_loss,
    gaussian_log_likelihood,
)
from toolkit.models.post_norm_transformer import TransformerEncoder


def _pair(rows=6, columns=4):
    generator = np.random.default_rng(0)
    return generator.standard_normal((rows, columns)), generator.standard_normal((rows, columns))


def _tensors(*arrays):
    return [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in arrays]


def test_difference_loss_equals_the_slow_version():
    x, y = _pair()
    units = []
    for array in (x, y):
        centred = array - array.mean(axis=0)
        units.append(np.stack([row / (np.sqrt((row**2).sum()) + 1e-6) for row in centred]))
    wanted = np.mean([[(units[0][:, i] @ units[1][:, j]) ** 2 for j in range(4)] for i in range(4)])
    assert difference_loss(*_tensors(x, y)).item() == pytest.approx(wanted, rel=1e-9)


def test_difference_loss_by_hand():
    # Centred, the rows of x are (2, 0), (-2, 0), those of y (0, 3), (0, -3): x^T y has one entry, 1 * 1 + 1 * 1 = 2.
    x, y = _tensors([[3.0, 5.0], [-1.0, 5.0]], [[1.0, 4.0], [1.0, -2.0]])
    assert difference_loss(x, y).item() == pytest.approx(4 / 4, rel=1e-5)
    assert difference_loss(x, torch.zeros_like(x)).item() == 0.0


def test_difference_loss_takes_the_row_lengths_as_constants():
    arrays = _pair()
    x, y = _tensors(*arrays)
    difference_loss(x, y).backward()

    a, b = _tensors(*arrays)
    lengths = [np.linalg.norm(array - array.mean(axis=0), axis=1, keepdims=True) + 1e-6 for array in arrays]
    rows = [(value - value.mean(0)) / torch.tensor(length) for value, length in zip((a, b), lengths, strict=True)]
    (rows[0].T @ rows[1]).square().mean().backward()
    torch.testing.assert_close(x.grad, a.grad)
    torch.testing.assert_close(y.grad, b.grad)


def test_moment_discrepancy_equals_the_slow_version():
    x, y = _pair()
    wanted = np.sqrt(((x.mean(0) - y.mean(0)) ** 2).sum())
    for order in (2, 3, 4, 5):
        moments = [((array - array.mean(0)) ** order).mean(0) for array in (x, y)]
        wanted += np.sqrt(((moments[0] - moments[1]) ** 2).sum())
    assert central_moment_discrepancy(*_tensors(x, y)).item() == pytest.approx(wanted, rel=1e-9)


def test_moment_discrepancy_by_hand():
    # Means 0 and 5; both have second moment 4 and fourth moment 16, third and fifth 0.
    x, y = _tensors([[2.0], [-2.0]], [[7.0], [3.0]])
    assert central_moment_discrepancy(x, y).item() == pytest.approx(5.0)
    # Twice as wide: 5 + |16 - 4| + |256 - 16|.
    (wide,) = _tensors([[9.0], [1.0]])
    assert central_moment_discrepancy(x, wide).item() == pytest.approx(5.0 + 12.0 + 240.0)


def test_moment_discrepancy_of_equal_samples_has_zero_gradient():
    x, y = _tensors([[2.0, 1.0], [-2.0, 3.0]], [[2.0, 1.0], [-2.0, 3.0]])
    loss = central_moment_discrepancy(x, y)
    loss.backward()
    assert loss.item() == 0.0
    assert not x.grad.any() and not y.grad.any()


def test_contrastive_loss_equals_the_slow_version():
    x, y = _pair()
    total = 0.0
    for i, row in enumerate(x):
        cosine = [row @ other / np.linalg.norm(row) / np.linalg.norm(other) for other in y]
        total += np.log(np.exp(cosine).sum()) - cosine[i]
    assert contrastive_loss(*_tensors(x, y)).item() == pytest.approx(total / len(x), rel=1e-9)


def test_contrastive_loss_edges():
    (one,) = _tensors([[3.0, 4.0]])
    assert contrastive_loss(one, one).item() == pytest.approx(0.0, abs=1e-12)  # nothing to confuse it with
    zero, other = _tensors([[0.0, 0.0], [0.0, 0.0]], [[1.0, 2.0], [-3.0, 1.0]])
    loss = contrastive_loss(zero, other)
    loss.backward()
    assert loss.item() == pytest.approx(np.log(2))  # all similarities 0
    assert zero.grad.isfinite().all() and other.grad.isfinite().all()


def test_gaussian_log_likelihood_by_hand():
    y, mean, log_variance = _tensors([[1.0, 2.0], [0.0, 0.0]], [[3.0, 2.0], [1.0, 1.0]], [[0.0, 5.0], [np.log(2), 0.0]])
    # Row 1: -(4 / 2 + 0); row 2: -(1 / 4 + 1 / 2).
    assert gaussian_log_likelihood(y, mean, log_variance).item() == pytest.approx((-2.0 - 0.75) / 2)


def test_transformer_equals_torchs_own():
    torch.manual_seed(0)
    ours = TransformerEncoder(size=12, heads=3, layers=2, feedforward=20, dropout=0.1).eval()
    layer = torch.nn.TransformerEncoderLayer(12, 3, 20, dropout=0.1, batch_first=True)
    theirs = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(5, 6, 12)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-5)
