import numpy as np
import pytest

from feature_extraction.contract import Sample, SampleError
from feature_extraction.visual.face_reader import read_faces


def test_faces_come_as_stored_and_are_not_read_before_they_are_used(write_faces, random_faces, tmp_path):
    faces = random_faces(3, 1)
    found = read_faces(write_faces(tmp_path, 'a "b".c $d', faces))
    np.testing.assert_array_equal(found, faces)
    assert isinstance(found, np.memmap)


@pytest.mark.parametrize("shape", [(0, 112, 112, 3), (1, 1, 1, 3), (2, 30, 200, 3)])
def test_no_face_one_pixel_and_other_shapes_are_fine(write_faces, tmp_path, shape):
    assert read_faces(write_faces(tmp_path, "clip", np.zeros(shape, np.uint8))).shape == shape


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 112, 112, 3), np.float32), "found float32 (2, 112, 112, 3)"),
        (np.zeros((2, 112, 112, 3), np.uint16), "found uint16"),
        (np.zeros((112, 112, 3), np.uint8), "(112, 112, 3)"),
        (np.zeros((2, 112, 112), np.uint8), "(2, 112, 112)"),
        (np.zeros((2, 112, 112, 1), np.uint8), "(2, 112, 112, 1)"),
        (np.zeros((2, 0, 112, 3), np.uint8), "(2, 0, 112, 3)"),
    ],
)
def test_other_arrays_are_refused_by_name(write_faces, tmp_path, array, words):
    sample = write_faces(tmp_path, "a b", array)
    with pytest.raises(SampleError) as caught:
        read_faces(sample)
    assert str(sample.path) in str(caught.value) and words in str(caught.value)
    assert "run the face step again" in str(caught.value)


def test_files_that_are_no_array_are_refused_by_name(write_faces, random_faces, tmp_path):
    with pytest.raises(SampleError, match="gone.npy does not exist"):
        read_faces(Sample("gone", tmp_path / "gone.npy"))
    contents = {"text": b"no array", "empty": b"", "object": None, "cut": None}
    np.save(tmp_path / "object.npy", np.array([{}]))
    whole = write_faces(tmp_path, "whole", random_faces(2, 1)).path.read_bytes()
    contents["cut"] = whole[:-1]
    for name, content in contents.items():
        if content is not None:
            (tmp_path / f"{name}.npy").write_bytes(content)
        with pytest.raises(SampleError, match=f"{name}.npy: not a readable"):
            read_faces(Sample(name, tmp_path / f"{name}.npy"))


def test_an_archive_under_the_name_of_an_array(tmp_path):
    with (tmp_path / "zip.npy").open("wb") as file:
        np.savez(file, faces=np.zeros(3))
    with pytest.raises(SampleError, match="zip.npy: an .npz archive"):
        read_faces(Sample("zip", tmp_path / "zip.npy"))
