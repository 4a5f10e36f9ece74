"""corpus.yaml: the text that is written, and every way in which one that was edited by hand can be wrong."""

from __future__ import annotations

import pytest

from toolkit.data.corpus_file import CorpusFile, read_corpus_file, write_corpus_file
from toolkit.utils.errors import UserError

TEXT = """name: Mine
emotions: [calm, 'no', '1', very happy]
outputs: [4, 1]
metric: emoval
splits:
  folds: given
  train: train_corpus
  validation: val_corpus
  tests: {test1: test_corpus, test2: hidden_corpus}
  hidden: [test2]
"""
MINE = CorpusFile(
    name="Mine",
    emotions=("calm", "no", "1", "very happy"),
    outputs=(4, 1),
    metric="emoval",
    folds="given",
    train="train_corpus",
    validation="val_corpus",
    tests={"test1": "test_corpus", "test2": "hidden_corpus"},
    hidden=("test2",),
)


@pytest.fixture
def place(tmp_path):
    (tmp_path / "Mine-dataset-process").mkdir()
    return tmp_path / "Mine-dataset-process" / "corpus.yaml"


def test_what_is_written_is_what_is_read(place):
    write_corpus_file(place, MINE)
    lines = place.read_text(encoding="utf-8").splitlines(keepends=True)
    assert "".join(line for line in lines if not line.startswith("#")) == TEXT
    assert read_corpus_file(place) == MINE


def test_valence_alone(place):
    mine = CorpusFile("Mine", (), (0, 1), "emo", "random5", "train_corpus")
    write_corpus_file(place, mine)
    assert read_corpus_file(place) == mine


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: Mine", "name: 12", "name: 12 is not text; put it in quotes"),
        ("name: Mine", "name: Other", "name: 'Other', but the folder is Mine-dataset-process; make both agree"),
        ("name: Mine", "name: SIMS", "the name belongs to the toolkit's own corpus SIMS"),
        ("'no'", "no", "emotions: False is not text; put it in quotes, as in 'False'"),
        ("'1'", "valence", "emotions: 'valence': tables of predictions have a column valence of their own; call the"),
        ("'1'", "weight_1", "emotions: 'weight_1': tables of predictions have columns that begin with weight_ of"),
        ("'1'", "calm", r"emotions: a label stands there twice \(calm, no, calm, very happy\)"),
        ("[calm, 'no', '1', very happy]", "calm", "emotions: 'calm' is not a list of at least 2 labels"),
        ("[calm, 'no', '1', very happy]", "[calm]", r"emotions: \['calm'\] is not a list of at least 2 labels"),
        ("[4, 1]", "[3, 1]", r"outputs: \[3, 1\]; with 4 emotions it must be \[4, 0\], or \[4, 1\] with valence"),
        ("[calm, 'no', '1', very happy]\noutputs: [4, 1]", "[]\noutputs: [0, 0]", r"must be \[0, 1\]"),
        ("emoval", "f1", r"metric: 'f1'; with outputs \[4, 1\] it must be emo or emoval"),
        ("[4, 1]", "[4, 0]", r"metric: 'emoval'; with outputs \[4, 0\] it must be emo"),
        ("metric: emoval\n", "", "the field metric is missing"),
        ("  train: train_corpus\n", "", r"the field splits.train is missing"),
        ("  hidden:", "  hiden:", r"unknown field splits.hiden; known: folds, train, validation, tests, hidden"),
        ("name: Mine", "name: Mine\nurl: x", "unknown field url; known: name, emotions, outputs, metric, splits"),
        ("folds: given", "folds: random10", "splits.folds: 'random10'; known: random5, given, session"),
        ("folds: given", "folds: random5", "splits.validation: 'val_corpus' goes with folds: given only"),
        ("val_corpus", "null", "splits.validation: None; given folds need a key of label.npz, such as val_corpus"),
        ("train: train_corpus", "train: 1", "splits.train: 1 is not a key of label.npz"),
        ("{test1: test_corpus, test2: hidden_corpus}", "[test1]", r"splits.tests: \['test1'\] is not test sets with"),
        ("test2: hidden_corpus", "a/b: hidden_corpus", "splits.tests: 'a/b' is no name of a test set"),
        ("hidden: [test2]", "hidden: [test3]", r"splits.hidden: \['test3'\] is not a list of test sets"),
        ("hidden: [test2]", "hidden: [[test2]]", r"splits.hidden: \[\['test2'\]\] is not a list of test sets"),
        (TEXT, "- 1", "holds list, not the fields name, emotions, outputs, metric, splits"),
        (TEXT, "name: [", "not a readable yaml file"),
        (TEXT, "!!python/object/apply:os.system ['exit 3']", "not a readable yaml file .*could not determine"),
    ],
)
def test_a_wrong_file_is_named_with_field_and_fix(place, old, new, message):
    assert TEXT.count(old) == 1
    place.write_text(TEXT.replace(old, new))
    with pytest.raises(UserError, match=message) as caught:
        read_corpus_file(place)
    assert str(place) in str(caught.value)


def test_all_problems_at_once_and_no_file(place):
    place.write_text(TEXT.replace("emoval", "f1").replace("folds: given", "folds: x"))
    with pytest.raises(UserError, match="(?s)several problems:.*metric: 'f1'.*folds: 'x'.*validation: 'val_corpus'"):
        read_corpus_file(place)
    place.unlink()
    with pytest.raises(UserError, match="does not exist; make it with `python -m toolkit.preprocess.custom`"):
        read_corpus_file(place)
