"""Csv tables: encodings, required columns, repeated names."""

import pytest

from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv, write_csv


def test_round_trip_with_awkward_cells(tmp_path):
    rows = [("a, b", 'say "hi"'), ("c\nd", "表情"), ("$HOME", "it's")]
    write_csv(tmp_path / "t.csv", ["name", "text"], rows)
    assert [tuple(row.values()) for row in read_csv(tmp_path / "t.csv", ("name", "text"), "name")] == rows


def test_a_byte_order_mark_is_ignored(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbfname,chinese\na,\n")
    assert read_csv(tmp_path / "t.csv", ("name", "chinese")) == [{"name": "a", "chinese": ""}]


def test_a_short_row_has_empty_cells(tmp_path):
    (tmp_path / "t.csv").write_text("name,chinese\na\n")
    assert read_csv(tmp_path / "t.csv") == [{"name": "a", "chinese": ""}]


def test_a_missing_column_lists_the_columns(tmp_path):
    (tmp_path / "t.csv").write_text("name,sentence\na,b\n")
    with pytest.raises(UserError, match=r"t\.csv: column chinese is missing; columns there: name, sentence"):
        read_csv(tmp_path / "t.csv", ("name", "chinese"))


def test_a_repeated_name_gives_both_lines(tmp_path):
    (tmp_path / "t.csv").write_text("name\na\nb\na\n")
    with pytest.raises(UserError, match="line 4: name 'a' stands already in line 2"):
        read_csv(tmp_path / "t.csv", ("name",), unique="name")


def test_an_empty_name_gives_the_line(tmp_path):
    (tmp_path / "t.csv").write_text("name,x\na,1\n,2\n")
    with pytest.raises(UserError, match="line 3: empty name"):
        read_csv(tmp_path / "t.csv", ("name",), unique="name")


def test_other_encodings_are_named(tmp_path):
    (tmp_path / "t.csv").write_bytes("name,chinese\na,高兴\n".encode("gbk"))
    with pytest.raises(UserError, match=r"t\.csv: not UTF-8"):
        read_csv(tmp_path / "t.csv")


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_csv(tmp_path / "t.csv")
