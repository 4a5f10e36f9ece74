from __future__ import annotations

import pytest

from toolkit.preprocess.raw_tables import (
    read_emotion,
    read_index,
    read_lines,
    read_number,
    require_parts,
    row_error,
    videos_by_name,
)
from toolkit.utils.errors import UserError


@pytest.fixture
def table(tmp_path):
    """Rows begin in lines 2, 3, 6 and 7."""
    path = tmp_path / "t.csv"
    path.write_bytes(b'\xef\xbb\xbfname,text\r\na,x\r\nb,"two\r\nlines"\r\n\r\nc,y\r\nd,z\r\n')
    return path


@pytest.mark.parametrize(("number", "line"), [(0, 2), (1, 3), (2, 6), (3, 7)])
def test_an_error_names_the_line_in_which_its_row_begins(table, number, line):
    assert str(row_error(table, number, "wrong")) == f"{table}, line {line}: wrong"


def test_missing_parts_are_named_at_once(tmp_path):
    (tmp_path / "b").mkdir()
    require_parts(tmp_path, ("b",), "X")
    with pytest.raises(UserError) as caught:
        require_parts(tmp_path, ("a", "b", "c/d.csv"), "X", "a hint")
    assert str(caught.value) == f"{tmp_path} lacks a, c/d.csv; give the folder of the X download as --raw_root (a hint)"


def test_videos_by_name(tmp_path):
    for name in ("b.v1.mp4", "a.AVI", "._a.mp4", "note.txt"):
        (tmp_path / name).touch()
    assert videos_by_name(tmp_path) == {"a": tmp_path / "a.AVI", "b.v1": tmp_path / "b.v1.mp4"}


def test_emotions(table):
    assert read_emotion(table, 0, " sad ", "clip", ("happy", "sad")) == "sad"
    with pytest.raises(UserError, match=r"line 3: unknown emotion 'Sad' of clip 'b c'; allowed: happy, sad"):
        read_emotion(table, 1, "Sad", "b c", ("happy", "sad"))


@pytest.mark.parametrize(("text", "value"), [("-1", -1), (" 0.25 ", 0.25), ("1e0", 1), ("1", 1)])
def test_numbers(table, text, value):
    assert read_number(table, 0, {"v": text}, "v", -1, 1) == value


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "1.01", "-1.01", "1,0"])
def test_no_numbers(table, text):
    with pytest.raises(UserError, match=r"line 6: v is '.*', not a number from -1 to 1"):
        read_number(table, 2, {"v": text}, "v", -1, 1)


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("0007", 7), (" 12 ", 12)])
def test_indices(table, text, value):
    assert read_index(table, 0, {"i": text}, "i") == value


@pytest.mark.parametrize("text", ["", "-1", "1.0", "x", "²", "٣"])
def test_no_indices(table, text):
    with pytest.raises(UserError, match=r"line 2: i is '.*', not a number 0, 1, 2"):
        read_index(table, 0, {"i": text}, "i")


def test_lines(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes("\ufeffone\r\n\r\n  two\u2028still two \nthree".encode())
    assert read_lines(path) == [(1, "one"), (3, "two\u2028still two"), (4, "three")]
    path.write_bytes(b"abc\xe9")
    with pytest.raises(UserError, match=r"t\.txt: not UTF-8 \(byte 3\); save it again as UTF-8"):
        read_lines(path)
    with pytest.raises(UserError, match=r"none\.txt does not exist"):
        read_lines(tmp_path / "none.txt")
