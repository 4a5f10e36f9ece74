"""Blur: the reference's table, sizes kept, and planes of YUV against the BGR image."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from toolkit.noise.blur import blur, blur_half_size
from toolkit.noise.choices import check_blurs
from toolkit.utils.errors import UserError

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "functions.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", GOLDEN["blur"], ids=lambda case: f"rate {case['rate']}")
def test_equals_the_reference_but_keeps_the_size(case):
    image, expected = (np.array(case[key], np.uint8) for key in ("input", "output"))
    result = blur(image, case["rate"])
    assert result.shape == image.shape
    assert np.array_equal(result, expected[: image.shape[0], : image.shape[1]])
    for channel in range(3):  # a plane alone comes out as in the image
        assert np.array_equal(blur(image[..., channel], case["rate"]), result[..., channel])


@pytest.mark.parametrize("shape", [(101, 75), (240, 319), (112, 112), (3, 3), (358, 638), (479, 641), (1, 1)])
@pytest.mark.parametrize("rate", [1, 2, 4, 8])
def test_every_size_is_kept(shape, rate):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    assert blur(image, rate).shape == image.shape
    assert blur_half_size(image[..., 0], rate).shape == shape


def test_rate_1_changes_nothing():
    image = np.random.default_rng(0).integers(0, 256, (9, 8, 3)).astype(np.uint8)
    assert np.array_equal(blur(image, 1), image) and np.array_equal(blur_half_size(image[..., 0], 1), image[..., 0])


@pytest.mark.parametrize("rate", [2, 4, 8])
def test_half_size_plane_is_enlarged_blurred_and_reduced(rate):
    rough = np.random.default_rng(2).integers(0, 256, (120, 160)).astype(np.uint8)
    smooth = cv2.normalize(cv2.GaussianBlur(rough, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    for plane, most in ((rough, 24), (smooth, 2)):
        large = blur(plane.repeat(2, 0).repeat(2, 1), rate).astype(float)
        slow = (large[::2, ::2] + large[1::2, ::2] + large[::2, 1::2] + large[1::2, 1::2]) / 4
        difference = blur_half_size(plane, rate) - slow
        inside = difference[8:-8, 8:-8]
        assert np.abs(inside).max() <= 2 and abs(inside.mean()) < 0.1
        assert np.abs(difference).max() <= most  # the outermost pixels


@pytest.mark.parametrize("shape", [(480, 640), (75, 101)])
@pytest.mark.parametrize("rate", [2, 4, 8])
def test_results_written_in_place_are_the_same(rate, shape):
    plane = np.random.default_rng(3).integers(0, 256, shape).astype(np.uint8)
    for blurring in (blur, blur_half_size):
        padded = np.zeros((shape[0], shape[1] + 11), np.uint8)  # rows of a video frame have unused ends
        out = padded[:, : shape[1]]
        result = blurring(plane, rate, out)
        assert np.array_equal(result, blurring(plane, rate)) and not padded[:, shape[1] :].any()
        assert np.may_share_memory(result, out) == (blurring is blur_half_size or shape == (480, 640))


@pytest.mark.parametrize("rate", [2, 4])
def test_blurring_planes_is_blurring_the_bgr_image(rate):
    smooth = cv2.GaussianBlur(np.random.default_rng(3).integers(0, 256, (96, 128, 3)).astype(np.uint8), (0, 0), 3)
    image = cv2.convertScaleAbs(smooth, alpha=1.5, beta=-60)
    yuv = cv2.cvtColor(image, cv2.COLOR_BGR2YUV)
    planes = np.dstack([blur(np.ascontiguousarray(yuv[..., plane]), rate) for plane in range(3)])
    difference = cv2.cvtColor(planes, cv2.COLOR_YUV2BGR).astype(int) - blur(image, rate)
    assert np.abs(difference).max() <= 4 and np.abs(difference).mean() < 1


@pytest.mark.parametrize("rate", [0, 3, -2, 6, 128])
def test_rates_that_are_no_powers_of_two(rate):
    with pytest.raises(UserError, match=f"{rate} is no power of two"):
        check_blurs((1, rate), "--blurs")
