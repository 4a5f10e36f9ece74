import numpy as np
import pytest

from feature_extraction.visual.frame_sampling import (
    strided_indices,
    two_clip_indices,
    uniform_indices,
    window_indices,
)


def test_uniform_sampling_is_the_references(golden):
    table = golden.json("functions.json")["uniform_indices"]
    for case, expected in table.items():
        frames, wanted = map(int, case.split("->"))
        assert uniform_indices(frames, wanted).tolist() == expected, case
    assert len(table) == 11


def test_two_clips_are_the_references(golden):
    table = golden.json("functions.json")["videomae_two_clip_indices"]
    for frames, expected in table.items():
        assert two_clip_indices(int(frames)).tolist() == expected, frames
    assert len(table) == 9


def test_every_fourth_frame_padded_by_hand():
    assert strided_indices(9, 2).tolist() == [0, 4, 8]
    assert strided_indices(9, 5).tolist() == [0, 4, 8, 8, 8]
    assert strided_indices(8, 5).tolist() == [0, 4, 4, 4, 4]
    assert strided_indices(3, 2, stride=1).tolist() == [0, 1, 2]


def test_windows_by_hand():
    windows = window_indices(20)
    assert windows.shape == (20, 16)
    assert windows[0].tolist() == [0] * 9 + [1, 2, 3, 4, 5, 6, 7]
    assert windows[8].tolist() == list(range(16))
    assert windows[19].tolist() == [*range(11, 20), *[19] * 7]
    assert window_indices(1, 4).tolist() == [[0, 0, 0, 0]]
    assert window_indices(0).shape == (0, 16)


@pytest.mark.parametrize("sample", [lambda n: uniform_indices(n, 4), lambda n: strided_indices(n, 4), two_clip_indices])
def test_no_frames_are_refused(sample):
    with pytest.raises(ValueError, match="0 frames"):
        sample(0)


def test_positions_stay_inside_and_never_go_back():
    for frames in (*range(1, 200), 15_000, 1_000_003):
        for found in (uniform_indices(frames, 64), strided_indices(frames, 16)):
            assert found[0] == 0 and found[-1] < frames and (np.diff(found) >= 0).all()
