import numpy as np
import pytest

from feature_extraction.visual.face_alignment import FACE_SIZE, TEMPLATE, align_face, similarity_transform


def test_quarter_turn_with_scale_two_by_hand():
    source = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    target = np.array([[5.0, 7.0], [5.0, 9.0], [3.0, 7.0]])  # (x, y) -> (5 - 2y, 7 + 2x)
    np.testing.assert_allclose(similarity_transform(source, target), [[0, -2, 5], [2, 0, 7]], atol=1e-12)


def test_is_the_least_squares_solution():
    rng = np.random.default_rng(3)
    source, target = rng.normal(size=(5, 2)) * 30, rng.normal(size=(5, 2)) * 20 + 50
    # Independent: the four unknowns a, b, tx, ty of u = ax - by + tx, v = bx + ay + ty, by a general solver.
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, -y, 1, 0], [y, x, 0, 1]]
        values += [u, v]
    a, b, tx, ty = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]
    np.testing.assert_allclose(similarity_transform(source, target), [[a, -b, tx], [b, a, ty]], rtol=1e-10)


def test_mirrored_points_are_not_mirrored_back():
    matrix = similarity_transform(TEMPLATE * [-1, 1], TEMPLATE)
    assert np.linalg.det(matrix[:, :2]) > 0


def test_one_point_is_refused():
    with pytest.raises(ValueError, match="same point"):
        similarity_transform(np.ones((5, 2)), TEMPLATE)


def test_a_face_that_lies_on_the_template_stays_as_it_is():
    picture = np.random.default_rng(0).integers(0, 256, (FACE_SIZE, FACE_SIZE, 3), dtype=np.uint8)
    np.testing.assert_array_equal(align_face(picture, TEMPLATE.copy()), picture)


def test_a_shifted_face_is_brought_back_and_outside_is_black():
    picture = np.random.default_rng(0).integers(1, 256, (FACE_SIZE, FACE_SIZE, 3), dtype=np.uint8)
    face = align_face(picture, TEMPLATE + [10, -20])
    np.testing.assert_array_equal(face[20:, :-10], picture[:-20, 10:])
    assert not face[:20].any() and not face[:, -10:].any()


def test_a_large_face_is_averaged_not_sampled():
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (FACE_SIZE, FACE_SIZE, 3), dtype=np.uint8)
    large = small.repeat(4, axis=0).repeat(4, axis=1)
    checker = (np.indices(large.shape[:2]).sum(axis=0) % 2 * 2 - 1) * 40  # disappears in the mean of 4 x 4 pixels
    large = (np.clip(large, 40, 215) + checker[..., None]).astype(np.uint8)
    face = align_face(large, (TEMPLATE + 0.5) * 4 - 0.5)
    assert np.abs(face.astype(int) - np.clip(small, 40, 215)).max() <= 1
