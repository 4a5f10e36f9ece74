from __future__ import annotations

import pickle

import pytest

from toolkit.globals import corpus_paths
from toolkit.preprocess.cmu import english, read_table, split_labels
from toolkit.utils.errors import UserError

NAMES = {"v1": ["v1_1", "v1_2"], "v2": ["v2_1"], "v3": ["v3_7"], "unused": ["unused_1"]}
LABELS = {"v1": [1.5, -3.0], "v2": [3.0], "v3": [0.0], "unused": [1.0]}
TEXTS = {"v1": ["one", "two"], "v2": ["three"], "v3": ["four"], "unused": ["five"]}


@pytest.fixture
def put(tmp_path):
    def write(folder, labels=LABELS, splits=({"v2", "v1"}, {"v3"}, set())):
        folder.mkdir(parents=True, exist_ok=True)
        content = (NAMES, labels, {}, TEXTS, *splits)
        (folder / "CMUMOSI_features_raw_2way.pkl").write_bytes(pickle.dumps(content))

    return write


def test_labels_by_split_and_transcripts(tmp_path, put):
    put(tmp_path)
    table = read_table(tmp_path, corpus_paths("CMUMOSI", tmp_path / "data"))
    labels = split_labels(table)
    assert {key: list(of_key.items()) for key, of_key in labels.items()} == {
        "train_corpus": [
            ("v1_1", {"emo": 0, "val": 1.5}),
            ("v1_2", {"emo": 0, "val": -3.0}),
            ("v2_1", {"emo": 0, "val": 3.0}),
        ],
        "val_corpus": [("v3_7", {"emo": 0, "val": 0.0})],
        "test_corpus": [],
    }
    assert english(table)["v3_7"] == {"english": "four"} and len(english(table)) == 5


def test_the_table_may_lie_in_the_processed_folder(tmp_path, put):
    paths = corpus_paths("CMUMOSI", tmp_path / "data")
    with pytest.raises(UserError) as caught:
        read_table(tmp_path, paths)
    assert str(caught.value) == (
        f"CMUMOSI_features_raw_2way.pkl is neither in {tmp_path} nor in {paths.root}; it holds the labels: put it there"
    )
    put(paths.root)
    assert read_table(tmp_path, paths).path.parent == paths.root


def test_wrong_tables(tmp_path, put):
    paths = corpus_paths("CMUMOSI", tmp_path / "data")
    put(tmp_path, labels=LABELS | {"v2": [3.5]})
    with pytest.raises(UserError, match=r"2way\.pkl: the sentiment of 'v2_1' is 3\.5, outside -3 to 3"):
        split_labels(read_table(tmp_path, paths))
    put(tmp_path, splits=(set(), {"v1"}, {"v2"}))
    with pytest.raises(UserError, match=r"2way\.pkl: no training videos in it"):
        read_table(tmp_path, paths)
