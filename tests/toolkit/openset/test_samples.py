"""The two csvs: bad rows with their lines, names on one side only, `check`."""

import pytest

from toolkit.openset.check import run_check
from toolkit.openset.samples import join, read_csv_labels, read_samples
from toolkit.utils.errors import UserError


def test_names_on_one_side_only():
    samples = join({"b": ("x",), "a": ("y", "x"), "c": ()}, {"a": ("z", "x"), "d": ("x",), "c": ("x",)})
    assert list(samples.gt) == ["a", "b"]
    assert samples.pred == {"a": ("z", "x"), "b": ()}
    assert (samples.missing, samples.extra, samples.empty_gt) == (("b",), ("d",), ("c",))
    assert samples.asked("a") == ("x", "y", "z")


def test_every_bad_row_is_listed_with_its_line(write_labels):
    path = write_labels("p.csv", {"a": ["x"], "b": "happy", "c/d": ["x"], "e": "I'm fine", "..": ["x"]})
    with open(path, "a", encoding="utf-8") as file:
        file.write("a,['y']\nf,['x','y']\n,['x']\n")
    with pytest.raises(UserError) as error:
        read_csv_labels(path)
    text = str(error.value)
    assert "p.csv: 7 row(s) cannot be read" in text
    assert "line 3: b: 'happy' is not a list" in text
    assert "line 4: name 'c/d' cannot be" in text
    assert 'line 5: e: "I\'m fine" is not a list' in text
    assert "line 6: name '..' cannot be" in text
    assert "line 7: name 'a' stands already in line 2" in text
    assert "line 8: 3 cells, the header has 2; put the list in double quotes" in text
    assert "line 9: name '' cannot be" in text


def test_many_bad_rows_are_cut_short(write_labels):
    path = write_labels("p.csv", {f"s{number}": "x" for number in range(25)})
    with pytest.raises(UserError, match=r"25 row\(s\)(.|\n)*\.\.\. and 15 more"):
        read_csv_labels(path)


def test_lines_count_through_cells_with_line_ends(write_labels):
    path = write_labels("p.csv", {"a": "['x',\n'y']", "b": "none"})
    with pytest.raises(UserError, match="line 4: b"):
        read_csv_labels(path)


def test_columns_and_encodings(tmp_path, write_labels):
    (tmp_path / "bom.csv").write_bytes(b'\xef\xbb\xbfopenset,id,name\n"[\'A\', \'b\']",7,"it\'s ""$x"" 1.5"\n')
    assert read_csv_labels(tmp_path / "bom.csv") == {'it\'s "$x" 1.5': ("a", "b")}
    (tmp_path / "no.csv").write_text("name,labels\na,['x']\n")
    with pytest.raises(UserError, match=r"no\.csv: column openset is missing; columns there: name, labels"):
        read_csv_labels(tmp_path / "no.csv")
    (tmp_path / "gbk.csv").write_bytes("name,openset\na,['开心']\n".encode("gbk"))
    with pytest.raises(UserError, match=r"gbk\.csv: not UTF-8"):
        read_csv_labels(tmp_path / "gbk.csv")
    (tmp_path / "huge.csv").write_text("name,openset\na," + "x" * 200_000 + "\n")
    with pytest.raises(UserError, match=r"huge\.csv, line 2: not a csv"):
        read_csv_labels(tmp_path / "huge.csv")


@pytest.mark.parametrize("truth", [{}, {"a": [], "b": ""}])
def test_nothing_to_score(write_labels, truth):
    with pytest.raises(UserError, match=r"gt\.csv: no sample has a true label"):
        read_samples(write_labels("gt.csv", truth), write_labels("p.csv", {"a": ["x"]}))


def test_check_names_lines_and_kinds(write_labels, capsys):
    path = write_labels(
        "p.csv", {"a": ["x", "y"], "b": "", "c": "[]", "d": "['don't', 'x']", "e": "happy", " f": "[x, y]"}
    )
    truth = write_labels("gt.csv", {"a": ["x"], "z": ["x"]})
    assert run_check(path, truth) == 1
    out = capsys.readouterr().out
    assert f"{path}, line 3: error: b: empty cell" in out
    assert f"{path}, line 4: warning: c: '[]' holds no label" in out
    assert f"{path}, line 5: warning: d: an apostrophe cuts [\"don't\", 'x'] into ['don', 't', 'x']" in out
    assert f"{path}, line 6: error: e: 'happy' is not a list" in out
    assert f"{path}, line 7: warning: name ' f' has blanks around it" in out
    assert f"{path}, line 7: warning:  f: '[x, y]' has no quotes; read as 1 label(s)" in out
    assert f"{path}: error: name 'z' of {truth} is missing" in out
    assert f"{path}, line 3: warning: name 'b' is not in {truth}" in out
    assert "5 samples, 6 labels (5 different); 3 errors" in out


def test_check_of_a_good_file(write_labels, capsys):
    assert run_check(write_labels("p.csv", {"a": ["x", "y"], "b": ["x"]})) == 0
    assert capsys.readouterr().out == "2 samples, 3 labels (2 different); 0 errors, 0 warnings\n"


def test_check_of_an_empty_file(write_labels, capsys):
    assert run_check(write_labels("p.csv", {})) == 1
    assert "error: no sample below the header" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,openset\na,\"['x']\"\nb,\"['y']\nc,\"['z']\"\n", r"p\.csv, line 3: not a csv .*double quote"),
        ("name,openset\na,\"['x']\"\nb,\"['y']\n", r"p\.csv, line 3: not a csv \(unexpected end of data"),
        ("name,openset,name\na,['x'],b\n", r"p\.csv: column 'name' stands twice"),
        ("name;openset\na;['x']\n", r"p\.csv: the columns have semicolons between them; save it with commas"),
        ("name\topenset\na\t['x']\n", r"p\.csv: the columns have tabs between them"),
    ],
)
def test_csv_slips_are_named(tmp_path, text, message):
    (tmp_path / "p.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_csv_labels(tmp_path / "p.csv")


def test_check_names_what_is_not_read(write_labels, capsys):
    cells = {"a": "labels: ['x']", "b": "['x [y]', 'z']", "c": "['x', 'y'", "d": "[['x'], ['y']]", "e": "['x'] (sure)"}
    path = write_labels("p.csv", cells | {"f": "['x']"})
    assert run_check(path) == 0
    out = capsys.readouterr().out
    assert f"{path}, line 2: warning: a: text around the list is not read: 'labels:  ...'" in out
    assert f"{path}, line 3: warning: b: brackets inside the list; it ends at the first ]" in out and "'z'" in out
    assert f"{path}, line 4: warning: c: the list has no closing bracket" in out
    assert f"{path}, line 5: warning: d: brackets inside the list" in out
    assert f"{path}, line 6: warning: e: text around the list" in out
    assert "line 7" not in out
