import os

import numpy as np
import pytest

from feature_extraction.visual.face_spool import FaceSpool, save_pictures


def faces(count):
    return np.random.default_rng(0).integers(0, 256, (count, 112, 112, 3), dtype=np.uint8)


@pytest.mark.parametrize("in_memory", [1 << 20, 50_000])  # all in memory; the second face goes to the disk
def test_the_chosen_faces_are_saved_like_numpy_does(tmp_path, in_memory):
    some = faces(9)
    order = [7, 0, 3, 8]
    with FaceSpool(tmp_path, in_memory) as spool:
        assert [spool.append(face) for face in some] == list(range(9)) and len(spool) == 9
        np.testing.assert_array_equal(spool.read(4), some[4])
        spool.save(tmp_path / "a.npy", order)
    np.save(tmp_path / "b.npy", some[order])
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["a.npy", "b.npy"]


def test_no_face(tmp_path):
    with FaceSpool() as spool:
        spool.save(tmp_path / "a.npy", [])
    assert np.load(tmp_path / "a.npy").shape == (0, 112, 112, 3)


@pytest.mark.parametrize(
    ("shape", "pictures"),
    [((2, 4, 4, 3), [(4, 4, 3)]), ((1, 4, 4, 3), [(4, 4, 3)] * 2), ((2, 4, 4, 3), [(4, 4, 3), (4, 5, 3)])],
)
def test_what_does_not_fit_the_header_is_not_written(tmp_path, shape, pictures):
    with pytest.raises(ValueError, match="picture"):
        save_pictures(tmp_path / "a.npy", shape, (np.zeros(size, np.uint8) for size in pictures))
    assert os.listdir(tmp_path) == []
