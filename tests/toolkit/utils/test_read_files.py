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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,chinese\na,b\nc\n", "line 3: 1 cells under 2 columns"),
        ("name,chinese\na,yes, sir\n", "line 2: 3 cells under 2 columns"),
        ("name,chinese\na,b,\n", "line 2: 3 cells under 2 columns"),
        ('name,chinese\n\na,"b\nb"\nc\n', "line 5: 1 cells under 2 columns"),
        ('name,chinese\na,b\nc,"d\ne,f\n', 'line 3: a quote \\("\\) is opened there and never closed'),
        ('name,chinese\na,b\nc,"d', 'line 3: a quote \\("\\) is opened there and never closed'),
        ('name,chinese\n"a,b\nc,d\n', 'line 2: a quote \\("\\) is opened there and never closed'),
        ('"name,chinese\na,b\n', 'line 1: a quote \\("\\) is opened there and never closed'),
        (f"name,chinese\na,b\nc,{'d' * 131073}\n", "line 3: cannot be read .field larger than field limit"),
        ("name,chinese\na ,b\n", "line 2: name 'a ' has blanks at its ends"),
        ("name,chinese\na,b\n\u3000c,b\n", "line 3: name .*c' has blanks at its ends"),
        ("name,chinese\n  ,b\n", "line 2: empty name"),
        ("name,chinese\nx,b\nodd,b\n", "line 3: name 'odd' is odd"),
        (f"name,chinese\n{'long' * 100} ,b\n", f"line 2: name '{'long' * 15}...' has blanks"),
    ],
)
def test_rows_that_cannot_be_meant_name_file_and_line(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=f"t.csv, {message}"):
        read_csv(tmp_path / "t.csv", ("name",), "name", lambda name: "is odd" if name == "odd" else "")


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\r\n", "\r", '\n""\n'])
def test_all_endings_of_a_file(tmp_path, end):
    (tmp_path / "t.csv").write_bytes(('name\r\na\n\n"b ""c"" \nd"' + end).encode())
    assert [row["name"] for row in read_csv(tmp_path / "t.csv")] == ["a", 'b "c" \nd'] + [""] * end.count('""')
    (tmp_path / "empty.csv").write_text("")
    assert read_csv(tmp_path / "empty.csv") == []


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
