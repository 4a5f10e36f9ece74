"""Cells and chat replies of open-vocabulary labels, with any text in them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from toolkit.openset.labels import (
    LabelError,
    listlist_to_list,
    literal_list,
    read_groups,
    read_labels,
    string_to_list,
    structure_problem,
)

MARKS = "[]'\",;\\{}()`\n\t 　，、；［］【】“”‘’「」『』＂＇"  # noqa: RUF001
PIECES = [
    *MARKS,
    "happy",
    "don't",
    "N",
    "\\u5f00",
    "\\ud83d",
    "\\u005b",
    "\\u005",
    "\\",
    "```json",
    "\0",
    "İ",
    "ß",
    "开心",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(max_size=60)
LABELS = st.lists(st.text("abc开'\" ", min_size=1).map(str.strip).filter(bool), max_size=6)


@given(TEXTS)
@example("['a', 'b'")
@pytest.mark.parametrize("parser", ["quotes", "literal"])
def test_a_cell_is_labels_or_a_label_error(parser, in_time, text):
    try:
        with in_time():
            labels = read_labels(text, parser)
    except LabelError as error:
        assert "[" not in text and "write ['happy'" in str(error)
        return
    assert len(set(labels)) == len(labels)
    assert all(label and label == label.strip() for label in labels)
    assert [label.lower() for label in labels] == list(labels)


@given(TEXTS)
@pytest.mark.parametrize("parser", ["quotes", "literal"])
def test_a_reply_is_groups_of_labels(parser, in_time, text):
    with in_time():
        groups = read_groups(text, parser)
        problem = structure_problem(text)
    assert all(group and all(label and label == label.strip() for label in group) for group in groups)
    assert isinstance(problem, str) and "\n" not in problem
    if "[" not in text and "［" not in text and "【" not in text and "\\u" not in text:
        assert groups == [] and problem == "holds no list of lists"


@given(st.lists(st.text("abc 开", min_size=1).map(str.strip).filter(bool), max_size=6))
def test_a_list_that_python_wrote_is_read_back(labels):
    assert string_to_list(repr(labels)) == literal_list(repr(labels)) == labels


@given(
    st.lists(st.lists(st.text("abc 开", min_size=1).map(str.strip).filter(bool), min_size=1), min_size=1, max_size=5)
)
def test_groups_that_python_wrote_are_read_back(groups):
    assert listlist_to_list(repr(groups)) == groups
    assert structure_problem(repr(groups)) == ""


@pytest.mark.parametrize("piece", PIECES + ["['", "','", "[[", "]]", "\\\\", "'a\\'", "\"'", "[,"])
def test_a_very_long_text_of_one_kind_is_read_in_time(piece, in_time):
    text = piece * (20_000 // len(piece))
    with in_time():
        for read in (read_labels, literal_list):
            try:
                read("[" + text)
            except LabelError:
                pytest.fail("a text with a bracket")
        for parser in ("quotes", "literal"):
            read_groups(f"[[{text}]]", parser)
        structure_problem(text)
