import math

import numpy as np
import pytest
import torch

from feature_extraction.contract import SampleError
from feature_extraction.visual.picture_transforms import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    FaceView,
    centre_crop,
    normalised,
    resize,
    short_side_shape,
)

CPU = torch.device("cpu")


def slow_pass(rows, size):
    """One direction of an anti-aliased bilinear resize, from its definition: a triangle as wide as the shrinking."""
    scale = len(rows) / size
    support = max(scale, 1.0)
    result = np.empty((size, *rows.shape[1:]))
    for out in range(size):
        centre = (out + 0.5) * scale
        weights = [max(0.0, 1 - abs(at + 0.5 - centre) / support) for at in range(len(rows))]
        result[out] = sum(weight * row for weight, row in zip(weights, rows, strict=True)) / sum(weights)
    return result


@pytest.mark.parametrize("shape", [(112, 112), (37, 64), (300, 20), (1, 1), (128, 96)])
def test_resize_equals_its_definition(shape):
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    wide = slow_pass(picture.swapaxes(0, 1).astype(np.float64), 96).swapaxes(0, 1)
    found = resize(picture, shape[0], 96)
    assert np.abs(found - wide).max() <= 0.5 + 1e-3  # rounded to whole numbers, in fixed point
    found = resize(picture, 128, 96)
    assert found.shape == (128, 96, 3) and found.dtype == np.uint8
    assert np.abs(found - slow_pass(wide, 128)).max() <= 1 + 1e-3  # rounded after each direction


def test_resize_by_hand():
    row = np.array([0, 100], np.uint8)[None, :, None].repeat(3, axis=2)
    assert resize(row, 1, 4)[0, :, 0].tolist() == [0, 25, 75, 100]
    row = np.array([0, 70, 140, 210], np.uint8)[None, :, None].repeat(3, axis=2)
    assert resize(row, 1, 2)[0, :, 0].tolist() == [50, 160]  # weights 3, 3, 1 of 7; without anti-aliasing 35 and 175


def test_shorter_side_by_hand():
    assert short_side_shape(112, 112, 256) == (256, 256)
    assert short_side_shape(100, 151, 256) == (256, 386)  # 386.56
    assert short_side_shape(151, 100, 256) == (386, 256)
    assert short_side_shape(1, 32, 10) == (10, 320)
    with pytest.raises(SampleError, match="1 x 33 pixels is no face"):
        short_side_shape(1, 33, 10)


def test_centre_crop_by_hand():
    picture = np.arange(9 * 7).reshape(9, 7)[..., None]
    crop = centre_crop(picture, 4)  # 2.5 rounds to 2, 1.5 rounds to 2
    assert crop.shape == (4, 4, 1) and crop[0, 0, 0] == 2 * 7 + 2
    np.testing.assert_array_equal(centre_crop(picture[:7], 7), picture[:7])


def test_pixels_by_hand():
    pictures = np.zeros((2, 1, 1, 3), np.uint8)
    pictures[1] = (255, 51, 0)
    found = normalised(pictures, CPU, IMAGENET_MEAN, IMAGENET_STD)
    assert found.shape == (2, 3, 1, 1) and found.dtype == torch.float32
    expected = [(1 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, -0.406 / 0.225]
    np.testing.assert_allclose(found[1].flatten(), expected, rtol=1e-6)
    found = FaceView(1, mean=(131.0912, 103.8827, 91.4953), white=255.0).tensor(pictures, CPU)
    np.testing.assert_allclose(found[1].flatten(), [255 - 131.0912, 51 - 103.8827, -91.4953], rtol=1e-6)
    assert FaceView(1).tensor(pictures, CPU)[1].flatten().tolist() == pytest.approx([1, 0.2, 0])


def test_a_view_swaps_blue_and_red_and_cuts_the_middle():
    face = np.zeros((8, 8, 3), np.uint8)
    face[:, 4:, 0] = 200  # the right half is blue
    seen = FaceView(8).picture(face)
    assert seen[0, 0].tolist() == [0, 0, 0] and seen[0, 7].tolist() == [0, 0, 200]
    seen = FaceView(4, short_side=8).picture(face)
    np.testing.assert_array_equal(seen[..., 2], [[0, 0, 200, 200]] * 4)


@pytest.mark.parametrize("shape", [(1, 1), (2160, 3840), (3, 17)])
def test_any_picture_becomes_the_networks_size(shape):
    face = np.full((*shape, 3), 7, np.uint8)
    for view in (FaceView(224), FaceView(224, short_side=256)):
        seen = view.picture(face)
        assert seen.shape == (224, 224, 3) and (seen == 7).all() and math.prod(seen.shape) == seen.size
