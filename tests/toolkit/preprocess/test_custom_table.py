"""The label csv of a corpus of one's own: how names, targets and splits are read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.preprocess.custom_table import Clip, label_set, parse_emotions, read_table, remarks
from toolkit.utils.errors import UserError

VIDEOS = {name: Path("clips") / file for name, file in [("a", "a.mp4"), ("b.c", "b.c.MOV"), ("x.mp4", "x.mp4.mp4")]}


def table(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding=encoding)
    return read_table(path, VIDEOS)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_rows_in_file_order(tmp_path, encoding):
    found = table(
        tmp_path, 'name,label,split,notes\na.mp4, calm ,val,1\nb.c,"sad, very",train,2\n"q ""$x""",,test,\n', encoding
    )
    assert found.clips == (Clip("a", "val", "calm"), Clip("b.c", "train", "sad, very"), Clip('q "$x"', "test"))
    assert (found.targets, found.unused) == (("label",), ("notes",))
    assert [clip.labelled for clip in found.clips] == [True, True, False]


def test_without_a_split_all_is_training(tmp_path):
    found = table(tmp_path, "name,valence,transcript\na,-1.5,\nb.c,1e-2,hello\n")
    assert found.clips == (Clip("a", "train", None, -1.5, ""), Clip("b.c", "train", None, 0.01, "hello"))
    assert found.clips[0].labelled


@pytest.mark.parametrize(
    ("written", "name"),
    [("a", "a"), ("a.mp4", "a"), ("a.avi", "a.avi"), ("b.c", "b.c"), ("b.c.MOV", "b.c"), ("b.c.mov", "b.c.mov")]
    + [("x.mp4", "x.mp4"), ("x.mp4.mp4", "x.mp4"), ("x", "x"), ("none.mp4", "none.mp4")],
)
def test_names_with_and_without_extension(tmp_path, written, name):
    assert table(tmp_path, f"name,label\n{written},calm\n").clips[0].name == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clip,label\na,calm\n", "column name is missing; columns there: clip, label"),
        (
            "name,emotion\na,calm\n",
            "neither the column label .* nor the column valence .*; columns there: name, emotion",
        ),
        ("name,label\n", "no row below the header"),
        ("name;label\na;calm\n", "the cells are separated by semicolons; save it as csv with commas"),
        ("name\tlabel\na\tcalm\n", "the cells are separated by tabs; save it as csv with commas"),
        ("name,label,label\na,calm,sad\n", "the column label is there twice; keep one of them, or rename the other"),
        ('"name",label,"name"\na,calm,b\n', "the column name is there twice"),
        ("name,label\na,calm\na,calm\n", "line 3: name 'a' stands already in line 2"),
        ("name,label\na,calm\na.mp4,calm\n", "'a.mp4' is the clip 'a', which another row names already"),
        ("name,label\na\n", "line 2: 1 cells under 2 columns"),
        ("name,label,split\na,calm,dev\n", "'a' has the split 'dev'; write train, val or test"),
        ("name,label,split\na,calm,\n", "'a' has the split ''; write train, val or test"),
        (
            "name,label\na,  \n",
            "'a' has no label, which a clip of the split 'train' needs; without one it can be in test",
        ),
        ("name,label,split\na,,val\n", "'a' has no label, which a clip of the split 'val' needs"),
        ("name,label,valence\na,calm,\n", "'a' has a label but no valence; fill both, or neither"),
        ("name,label,valence\na,,1\n", "'a' has a valence but no label; fill both, or neither"),
        ("name,valence\na,\n", "'a' has no valence, which a clip of the split 'train' needs"),
        ('name,valence\na,"0,5"\n', "'a' has the valence '0,5', which is not a number such as -0.5"),
        ("name,valence\na,nan\n", "'a' has the valence 'nan', which is not a number"),
        ("name,valence\na,-10\n", "'a' has the valence -10, the mark of a missing one"),
    ],
)
def test_what_is_refused(tmp_path, text, message):
    with pytest.raises(UserError, match=message) as caught:
        table(tmp_path, text)
    assert str(tmp_path / "labels.csv") in str(caught.value)


def test_ten_problems_are_shown_and_the_rest_counted(tmp_path):
    rows = "".join(f"clip{number},,train\n" for number in range(13))
    with pytest.raises(UserError, match="several problems:") as caught:
        table(tmp_path, f"name,label,split\n{rows}")
    lines = str(caught.value).splitlines()
    assert len(lines) == 12 and lines[1].startswith("  - 'clip0' has no label") and lines[-1] == "  - and 3 more"


def clips(*labels, split="train"):
    return [Clip(f"clip {number}", split, label) for number, label in enumerate(labels)]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["sad", "calm", "sad", "angry"], ("angry", "calm", "sad")),
        (["10", "9", "-1"], ("-1", "9", "10")),
        (["10", "9", "calm"], ("9", "10", "calm")),
    ],
)
def test_emotions_are_sorted_unless_given(labels, expected):
    assert label_set(Path("l.csv"), clips(*labels), None) == expected
    assert label_set(Path("l.csv"), clips(*labels), ("x", *labels)) == ("x", *labels)


def test_emotions_that_cannot_be():
    with pytest.raises(UserError, match=r"l.csv: only the label 'calm'; an emotion corpus needs at least 2"):
        label_set(Path("l.csv"), clips("calm", "calm", None), None)
    with pytest.raises(UserError, match=r"l.csv: no label at all"):
        label_set(Path("l.csv"), clips(None, split="test"), None)
    with pytest.raises(UserError, match=r"l.csv: 'clip 1' has the label 'Sad', not one of --emotions sad,calm"):
        label_set(Path("l.csv"), clips("sad", "Sad", "Sad"), ("sad", "calm"))
    assert parse_emotions(" calm, very happy") == ("calm", "very happy")
    for text in ("calm", "calm,", "calm,calm", ""):
        with pytest.raises(UserError, match="give at least two different labels, as in angry,happy"):
            parse_emotions(text)


@pytest.mark.parametrize(
    ("label", "own", "other"),
    [
        ("name", "a column name", "Name"),
        ("discrete", "a column discrete", "Discrete"),
        ("valence", "a column valence", "Valence"),
        ("confidence", "a column confidence", "Confidence"),
        ("weight_x", "columns that begin with weight_", "Weight_x"),
    ],
)
def test_emotions_called_like_a_column_of_predictions(label, own, other):
    message = f"tables of predictions have {own} of their own; call the emotion '{other}', say"
    with pytest.raises(UserError, match=f"l.csv: 'clip 1' has the label '{label}'; {message}"):
        label_set(Path("l.csv"), clips("calm", label), None)
    with pytest.raises(UserError, match=f"--emotions: '{label}': {message}"):
        parse_emotions(f"calm,{label}")
    assert parse_emotions(f"calm,{other},weight") == ("calm", other, "weight")


def test_remarks_on_what_may_be_slips(tmp_path):
    found = table(tmp_path, "name,label,split,Split\na,Happy,train,\nb.c,happy,test,\n")
    assert remarks(("Happy", "happy"), found) == [
        "columns that are not used: Split (used: name, label, valence, split, transcript)",
        "'Happy' and 'happy' are different classes; if that is a slip, mend the csv",
        "no training clip has the label 'happy'",
    ]
    found = table(tmp_path, "name,label\na,1\nb.c,2\n")
    assert remarks(("1", "2"), found) == [
        "all labels are numbers and are taken as names of classes; numbers to predict go in a column valence"
    ]
    assert remarks(("calm", "sad"), table(tmp_path, "name,label\na,calm\nb.c,sad\n")) == []
