"""Feature folders: names, both separators, frames in folders, and an error that names the file for every defect."""

import numpy as np
import pytest

from toolkit.data.features import (
    display_name,
    feature_folder_name,
    find_feature_folder,
    list_feature_folders,
    read_feature,
    split_feature_name,
)
from toolkit.globals import UNDERSCORE_STEMS
from toolkit.utils.errors import UserError


@pytest.mark.parametrize(
    ("stem", "level", "folder"),
    [
        ("eGeMAPS", "UTTERANCE", "eGeMAPS_UTT"),
        ("chinese-hubert-large", "FRAME", "chinese-hubert-large-FRA"),
        ("eGeMAPS-noisesnr5", "UTTERANCE", "eGeMAPS-noisesnr5_UTT"),
        ("chinese-hubert-large-noisesnrmix", "UTTERANCE", "chinese-hubert-large-noisesnrmix-UTT"),
        ("senet50face", "FRAME", "senet50face_FRA"),
        ("all-MiniLM-L6-v2-langeng", "UTTERANCE", "all-MiniLM-L6-v2-langeng-UTT"),
    ],
)
def test_folder_names(stem, level, folder):
    assert feature_folder_name(stem, level) == folder
    assert split_feature_name(folder)[0] == stem


def test_every_underscore_stem_is_written_with_an_underscore():
    assert len(UNDERSCORE_STEMS) == 11
    assert all(feature_folder_name(stem, "FRAME") == f"{stem}_FRA" for stem in UNDERSCORE_STEMS)


def test_display_names():
    assert display_name("chinese-wav2vec2-large-UTT") == "wav2vec 2.0-large"
    assert display_name("my-own-model-UTT") == "my-own-model"


def test_names_without_level_are_refused():
    with pytest.raises(UserError, match="'eGeMAPS' does not end in"):
        split_feature_name("eGeMAPS")


def test_both_separators_are_found(tmp_path):
    (tmp_path / "eGeMAPS-UTT").mkdir()
    (tmp_path / "notes").mkdir()
    assert find_feature_folder(tmp_path, "eGeMAPS_UTT").name == "eGeMAPS-UTT"
    assert list_feature_folders(tmp_path) == ["eGeMAPS-UTT"]


def test_a_missing_folder_lists_the_existing_ones(tmp_path):
    (tmp_path / "a-UTT").mkdir()
    (tmp_path / "b_FRA").mkdir()
    with pytest.raises(UserError, match=r"c-UTT; folders there: a-UTT, b_FRA"):
        find_feature_folder(tmp_path, "c-UTT")
    with pytest.raises(UserError, match="none yet"):
        find_feature_folder(tmp_path / "nothing", "c-UTT")


@pytest.mark.parametrize("shape", [(4,), (1, 4), (3, 4)])
def test_accepted_shapes(tmp_path, shape):
    rows = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    np.save(tmp_path / "clip.npy", rows)
    found = read_feature(tmp_path, "clip")
    assert found.dtype == np.float32 and found.shape == (rows.size // 4, 4)
    assert found.tolist() == rows.reshape(-1, 4).tolist()


def test_a_folder_of_frames_is_read_in_sorted_order(tmp_path):
    (tmp_path / "clip").mkdir()
    for number in (10, 2, 1):
        np.save(tmp_path / "clip" / f"{number:04d}.npy", np.full(3, number, np.float32))
    assert read_feature(tmp_path, "clip")[:, 0].tolist() == [1, 2, 10]


@pytest.mark.parametrize("name", ["with space", "dots.in.name", "quo'te\"s", "dollar$HOME", "表情"])
def test_unusual_names(tmp_path, name):
    np.save(tmp_path / f"{name}.npy", np.ones(2, np.float32))
    assert read_feature(tmp_path, name).tolist() == [[1, 1]]


def _defects():
    yield "empty", np.zeros((0, 4), np.float32), "empty"
    yield "nan", np.array([1, np.nan], np.float32), "NaN or infinity"
    yield "infinite", np.array([1, np.inf], np.float32), "NaN or infinity"
    yield "cube", np.zeros((2, 2, 2), np.float32), r"shape \(2, 2, 2\)"
    yield "text", np.array(["a", "b"]), "not an array of numbers"


@pytest.mark.parametrize(("name", "array", "message"), list(_defects()), ids=lambda value: str(value)[:8])
def test_a_defect_names_the_file(tmp_path, name, array, message):
    np.save(tmp_path / f"{name}.npy", array)
    with pytest.raises(UserError, match=message) as error:
        read_feature(tmp_path, name)
    assert str(tmp_path / f"{name}.npy") in str(error.value)


def test_another_width_names_both_widths(tmp_path):
    np.save(tmp_path / "clip.npy", np.ones(5, np.float32))
    with pytest.raises(UserError, match="width 5, but the other samples of .* have 4"):
        read_feature(tmp_path, "clip", width=4)


@pytest.mark.parametrize("content", [b"", b"not numpy at all", b"\x93NUMPY\x01\x00"], ids=["empty", "text", "cut"])
def test_a_corrupt_file_names_itself(tmp_path, content):
    (tmp_path / "clip.npy").write_bytes(content)
    with pytest.raises(UserError, match=r"clip\.npy: not a readable \.npy array"):
        read_feature(tmp_path, "clip")


def test_a_truncated_file_names_itself(tmp_path):
    np.save(tmp_path / "clip.npy", np.ones(1000, np.float32))
    whole = (tmp_path / "clip.npy").read_bytes()
    (tmp_path / "clip.npy").write_bytes(whole[:-10])
    with pytest.raises(UserError, match=r"clip\.npy: not a readable"):
        read_feature(tmp_path, "clip")


def test_pickled_content_is_never_loaded(tmp_path):
    np.save(tmp_path / "clip.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="not a readable"):
        read_feature(tmp_path, "clip")


def test_a_missing_sample_is_named(tmp_path):
    with pytest.raises(UserError, match="sample 'gone' has no feature"):
        read_feature(tmp_path, "gone")


def test_an_empty_folder_of_frames_is_named(tmp_path):
    (tmp_path / "clip").mkdir()
    with pytest.raises(UserError, match="without any .npy file"):
        read_feature(tmp_path, "clip")


def test_missing_samples_are_counted_per_folder(tmp_path):
    from toolkit.data.features import count_missing

    names = [f"s{number}" for number in range(5)]
    for feature, there in (("a-UTT", (0, 4)), ("b-UTT", (0, 1, 2, 3)), ("c-UTT", range(5))):
        (tmp_path / feature).mkdir()
        for number in there:
            np.save(tmp_path / feature / f"s{number}.npy", np.zeros(2, np.float32))
    folders = [tmp_path / f"{letter}-UTT" for letter in "abc"]
    assert count_missing(folders, names) == "; a-UTT lacks 3 of 5 samples: extract again what is missing"
    assert count_missing(folders[1:], names) == ""  # a single one is named by its own error
