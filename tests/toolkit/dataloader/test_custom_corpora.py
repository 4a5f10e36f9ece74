"""Corpora of the user's own, found by their corpus.yaml: the row, what training reads, where everything lies."""

from __future__ import annotations

import numpy as np
import pytest

from toolkit.data.corpus_file import CorpusFile, write_corpus_file
from toolkit.data.labels import write_labels
from toolkit.dataloader.corpora import Corpus, get_corpus
from toolkit.dataloader.loading import DataRequest, load_run_data
from toolkit.globals import UnknownDataset, corpus_paths, custom_name_fault, custom_paths, known_datasets
from toolkit.utils.errors import UserError, run_main

FEATURES = ("aud-UTT", "txt-UTT", "vis-UTT")
EMOTIONS = ("calm", "angry", "very happy")


@pytest.fixture
def mine(tmp_path):
    """Corpus "Mine": 7 training clips, 2 with labels to test on, 3 without; features hold the clip's number."""
    paths = custom_paths("Mine", tmp_path)
    labels, number = {}, 0
    for key, count in (("train_corpus", 7), ("test_corpus", 2), ("hidden_corpus", 3)):
        labels[key] = {}
        for _ in range(count):
            name = f'clip {number}.a "$x"'
            labels[key][name] = {"emo": EMOTIONS[number % 3], "val": number / 4}
            for width, feature in enumerate(FEATURES, start=2):
                (paths.features / feature).mkdir(parents=True, exist_ok=True)
                np.save(paths.features / feature / f"{name}.npy", np.full(width, number, np.float32))
            number += 1
    write_labels(paths.label, labels)
    tests = {"test1": "test_corpus", "test2": "hidden_corpus"}
    stated = CorpusFile("Mine", EMOTIONS, (3, 1), "emoval", "random5", "train_corpus", None, tests, ("test2",))
    write_corpus_file(paths.root / "corpus.yaml", stated)
    return tmp_path


def test_the_row(mine):
    tests = {"test1": "test_corpus", "test2": "hidden_corpus"}
    row = Corpus("Mine", "random5", "train_corpus", tests, EMOTIONS, (3, 1), "emoval", None, True, frozenset({"test2"}))
    assert get_corpus("Mine", mine) == row
    assert get_corpus("SIMS", mine).outputs == (0, 1)


def test_training_reads_it(mine):
    data = load_run_data(DataRequest(FEATURES, "utt", dataset="Mine", data_root=mine))
    assert data.train.names == tuple(f'clip {number}.a "$x"' for number in range(7))
    assert data.train.emos.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert data.train.vals.tolist() == [number / 4 for number in range(7)]
    assert data.train.inputs[2][:, 3].tolist() == list(range(7)) and data.train.widths == (2, 3, 4)
    assert {name: test.inputs[0][:, 0].tolist() for name, test in data.tests.items()} == {
        "test1": [7, 8],
        "test2": [9, 10, 11],
    }
    assert data.corpus.hidden == {"test2"} and data.notes == []
    assert sorted(len(validation) for _, validation in data.folds(1)) == [1, 1, 1, 1, 3]


def test_a_label_outside_the_set(mine):
    place = mine / "Mine-dataset-process" / "corpus.yaml"
    place.write_text(place.read_text().replace("very happy", "happy"))
    with pytest.raises(UserError, match="has the unknown emotion 'very happy'; known: calm, angry, happy"):
        load_run_data(DataRequest(FEATURES, "utt", dataset="Mine", data_root=mine))


def test_places_and_names(mine, monkeypatch):
    paths = corpus_paths("Mine", mine)
    assert paths.root == mine / "Mine-dataset-process" and paths.label.name == "label.npz"
    assert (paths.video.name, paths.audio.name, paths.face.name) == ("video", "audio", "openface_face")
    assert known_datasets(mine)[-2:] == ["MELD", "Mine"]
    monkeypatch.setenv("MER_DATA_ROOT", str(mine))
    assert corpus_paths("Mine").root == paths.root and get_corpus("Mine").name == "Mine"


@pytest.mark.parametrize("name", ["Other", "../Mine", "Mine/", "", ".", "a\0b"])
def test_unknown_names(mine, name, capsys):
    with pytest.raises(UnknownDataset, match=r"unknown dataset .*; known: MER2024, .*, MELD, Mine; `python -m toolkit"):
        corpus_paths(name, mine)
    with pytest.raises(UserError, match="cannot be trained on; known: MER2024, .*, MELD, Mine;"):
        get_corpus(name, mine)
    with pytest.raises(SystemExit) as caught:
        run_main(lambda argv: corpus_paths(name, mine) and 0)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: unknown dataset {name!r}; known: MER2024")


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("MyCorpus", ""),
        ("my.corpus_2-b", ""),
        ("\u6211\u7684", ""),
        ("x" * 40, ""),
        ("x" * 41, "at most 40 bytes, this one 41"),
        ("\u6211" * 14, "at most 40 bytes, this one 42"),
        ("-x", "only letters, digits"),
        (".x", "only letters, digits"),
        ("a b", "only letters, digits"),
        ("a/b", "only letters, digits"),
        ("x\n", "only letters, digits"),
        ("MER2024", "belongs to the toolkit's own corpus MER2024"),
        ("mer2024", "belongs to the toolkit's own corpus MER2024"),
        ("iemocap", "belongs to the toolkit's own corpus IEMOCAPFour"),
        ("mer2023_unlabel", "belongs to the toolkit's own corpus MER2023_UNLABEL"),
        ("mer2023-unlabel", "belongs to the toolkit's own corpus MER2023_UNLABEL"),
    ],
)
def test_names_of_corpora(name, fault):
    assert custom_name_fault(name) == fault if not fault else fault in custom_name_fault(name)


def test_a_name_never_leads_out_of_the_data_root(mine):
    (mine / "sub").mkdir()
    assert (mine / "sub" / "../Mine-dataset-process" / "corpus.yaml").is_file()
    with pytest.raises(UnknownDataset, match="unknown dataset '../Mine'"):
        corpus_paths("../Mine", mine / "sub")
