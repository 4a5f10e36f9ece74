from __future__ import annotations

import pytest

from toolkit.data.labels import read_labels
from toolkit.dataloader.corpora import get_corpus, make_folds
from toolkit.preprocess import mer2023_unlabel
from toolkit.utils.errors import UserError


def test_the_whole_command(tmp_path, put_videos, run_twice):
    put_videos(tmp_path / "raw" / "test3", ["s_3", "s_1", "s_2", "s_5", "s_4"])
    output = run_twice(mer2023_unlabel, tmp_path / "raw", tmp_path / "data", "--link", "symbolic")
    root = tmp_path / "data" / "mer2023-unlabel-dataset-process"
    labels = read_labels(root / "label-6way.npz")
    assert list(labels) == ["train_corpus"]
    assert list(labels["train_corpus"]) == ["s_1", "s_2", "s_3", "s_4", "s_5"]
    assert labels["train_corpus"]["s_4"] == {"emo": 0, "val": -10}
    assert (root / "video" / "s_3.mp4").is_symlink()
    assert "label-6way.npz train_corpus              5                 5         73,982" in output
    row = get_corpus("MER2023_UNLABEL")
    assert row.class_indices(labels["train_corpus"], "").tolist() == [0] * 5
    assert len(make_folds(row, list(labels["train_corpus"]), seed=0)) == 1


def test_the_download_is_that_of_mer2023(tmp_path, put_videos):
    put_videos(tmp_path / "mer2023-dataset" / "test3", ["s_1"])
    assert mer2023_unlabel.main(["--data_root", str(tmp_path)]) == 0
    assert (tmp_path / "mer2023-unlabel-dataset-process" / "video" / "s_1.mp4").exists()


def test_nothing_there(tmp_path):
    arguments = ["--raw_root", str(tmp_path), "--data_root", str(tmp_path)]
    with pytest.raises(UserError, match="lacks test3; give the folder of the MER2023 download"):
        mer2023_unlabel.main(arguments)
    (tmp_path / "test3").mkdir()
    with pytest.raises(UserError, match="test3 holds no videos"):
        mer2023_unlabel.main(arguments)
