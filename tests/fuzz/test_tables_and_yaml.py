"""Csv tables and corpus.yaml files of any content."""

from __future__ import annotations

import csv
import io

from hypothesis import example, given
from hypothesis import strategies as st

from toolkit.data.corpus_file import FIELDS, SPLIT_FIELDS, CorpusFile, read_corpus_file, write_corpus_file
from toolkit.utils.read_files import read_csv

CSV_PIECES = ["name", "chinese", ",", '"', '""', "\n", "\r\n", "\r", "\0", "a", " ", "\ufeff", "中文", "\x1c", "\u2028"]
CSV_TEXTS = st.lists(st.sampled_from(CSV_PIECES), max_size=40).map("".join).map(str.encode) | st.binary(max_size=60)


@given(CSV_TEXTS, st.sampled_from([b"", b"name,chinese\n", b"\xef\xbb\xbfname,chinese\r\n"]))
@example(b'name,chinese\na,"\n', b"")
def test_any_bytes_are_rows_or_an_error(tmp_path, outcome, data, header):
    path = tmp_path / "some table.csv"
    path.write_bytes(header + data)
    rows = outcome(lambda place: read_csv(place, ("name", "chinese"), unique="name"), path)
    if isinstance(rows, Exception):
        return
    assert all({"name", "chinese"} <= set(row) for row in rows)
    names = [row["name"] for row in rows]
    assert len(set(names)) == len(names) and all(name and name == name.strip() for name in names)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8), max_size=8))
def test_what_csv_writes_is_read_back(tmp_path, outcome, cells):
    path = tmp_path / "table.csv"
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([["number", "text"], *enumerate(cells)])
    path.write_bytes(text.getvalue().encode())
    rows = outcome(read_csv, path)
    assert [row["text"] for row in rows] == cells


SCALARS = [
    "random5",
    "given",
    "emo",
    "emoval",
    "a",
    "train_corpus",
    "null",
    "~",
    "1",
    "-3",
    "1e400",
    "0x",
    "2024-02-31",
]
SCALARS += ["2024-13-99", "99:99", "1:2:3", "!!python/object/apply:os.system ['true']", "!!int x", "!!binary x", "&a a"]
SCALARS += [
    "*a",
    "'x",
    "[a, b]",
    "[a, [b]]",
    "{a: b}",
    "{[1]: 2}",
    "[",
    "{",
    "!!set {a}",
    "!!float .",
    "? x",
    ".inf",
    "<<",
]
SCALARS += [
    "!!timestamp x",
    "9" * 5000,
    "\x01",
    "\t",
    "%",
    "@",
    "|",
    "!!omap [a: 1]",
    "!!pairs 3",
    "[angry, happy]",
    "[2, 0]",
]
VALUES = st.sampled_from(SCALARS) | st.text("ab[]{},:&*!|>'\"% \n-?0_.", max_size=12)
KEYS = st.sampled_from([*FIELDS, *SPLIT_FIELDS, "other", "<<", "? a", "2024-01-99"])
LINES = st.tuples(st.sampled_from(["", "  ", "- "]), KEYS, VALUES).map(
    lambda parts: f"{parts[0]}{parts[1]}: {parts[2]}\n"
)
GOOD = CorpusFile("My", ("angry", "happy"), (2, 0), "emo", "random5", "train_corpus", None, {"test1": "test_corpus"})


@given(st.lists(LINES, max_size=8).map("".join).map(str.encode) | st.binary(max_size=40))
def test_any_yaml_is_a_corpus_or_an_error(tmp_path, outcome, data):
    path = tmp_path / "My-dataset-process" / "corpus.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    assert isinstance(outcome(read_corpus_file, path), (CorpusFile, Exception))


@given(st.sampled_from([*FIELDS, *SPLIT_FIELDS]), VALUES)
def test_one_odd_value_is_a_corpus_or_an_error(tmp_path, outcome, field, value):
    path = tmp_path / "My-dataset-process" / "corpus.yaml"
    path.parent.mkdir(exist_ok=True)
    write_corpus_file(path, GOOD)
    assert read_corpus_file(path) == GOOD
    lines = path.read_text(encoding="utf-8").splitlines()
    changed = [line.split(":")[0] + f": {value}" if line.strip().startswith(f"{field}:") else line for line in lines]
    path.write_text("\n".join(changed), encoding="utf-8")
    corpus = outcome(read_corpus_file, path)
    if isinstance(corpus, CorpusFile):
        assert all(isinstance(emotion, str) for emotion in corpus.emotions)
        assert isinstance(corpus.train, str) and len(corpus.outputs) == 2
