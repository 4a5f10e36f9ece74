"""Reading lists of labels: the reference's tables, cells by hand, replies with words around the list."""

import pytest

from toolkit.openset.labels import (
    LabelError,
    check_parser,
    listlist_to_list,
    literal_list,
    read_groups,
    read_labels,
    string_to_list,
)
from toolkit.utils.errors import UserError

# The baseline makes groups of the words around the list; here they are passed over (SPEC 12).
PROSE = "Sure! [['a'], ['b']] done"


def test_cells_are_read_as_the_reference_reads_them(golden):
    for text, labels in golden.json("functions.json")["string_to_list"]:
        assert string_to_list(text) == labels, text


def test_replies_are_read_as_the_reference_reads_them(golden):
    table = golden.json("functions.json")["listlist_to_list"]
    assert PROSE in [text for text, _ in table]
    for text, groups in table:
        assert listlist_to_list(text) == ([["a"], ["b"]] if text == PROSE else groups), text


@pytest.mark.parametrize(
    ("cell", "quotes", "literal"),
    [
        ("""["don't believe", 'doubt']""", ["don", "t believe", "doubt"], ["don't believe", "doubt"]),
        ("['don't', 'x']", ["don", "t", "x"], ["don't", "x"]),
        (r"""['a\'b "c"', "d"]""", ["a\\", "b", "c", "d"], ['a\'b "c"', "d"]),
        ("['rock 'n' roll', 'x']", ["rock", "n", "roll", "x"], ["rock 'n' roll", "x"]),
        ("[a, b]", ["a, b"], ["a", "b"]),
        ("['a', 'b", ["a", "b"], ["a", "b"]),
        (r'["\u5f00\u5fc3", "x"]', ["开心", "x"], ["开心", "x"]),
        (r'["\ud83d\ude00"]', ["\U0001f600"], ["\U0001f600"]),
        (r'["\ud83d"]', ["?"], ["?"]),  # half a character cannot be written to a file
        ("  ", [], []),
    ],
)
def test_the_two_readings(cell, quotes, literal):
    assert string_to_list(cell) == quotes
    assert literal_list(cell) == literal


@pytest.mark.parametrize(
    "cell",
    [
        "[‘开心’，‘难过’]",  # full-width quotes and comma
        "[“开心”，“难过”]",
        "【“开心”、“难过”】",
        "［＂开心＂，＂难过＂］",
        "['开心’，‘难过']",  # mixed
        "[开心，难过]",
        "[「开心」、「难过」]",
        "[['开心', '难过']]",
    ],
)
def test_full_width_signs(cell):
    assert string_to_list(cell) == literal_list(cell) == ["开心", "难过"]


def test_a_curly_apostrophe_inside_a_word_stays():
    assert string_to_list("['it’s fine', 'ok']") == ["it’s fine", "ok"]


def test_labels_are_lower_case_and_distinct_in_order():
    assert read_labels("['Sad', 'HAPPY', 'sad', 'Éclat']") == ("sad", "happy", "éclat")
    assert read_labels("""["Don't", "don't"]""", "literal") == ("don't",)


@pytest.mark.parametrize("cell", ["happy", "'happy', 'sad'", "nan", "I'm not sure"])
@pytest.mark.parametrize("read", [string_to_list, literal_list])
def test_text_without_a_list_is_an_error(cell, read):
    with pytest.raises(LabelError, match=r"not a list; write \['happy'"):
        read(cell)


@pytest.mark.parametrize(
    ("reply", "groups"),
    [
        ('```json\n[["A","b"],\n ["c"]]\n```', [["a", "b"], ["c"]]),
        ("1. ['a','b']\n2. ['c']", [["a", "b"], ["c"]]),
        ("[note] it's: [['a'],['b']] [end]", [["a"], ["b"]]),
        ("Input: ['a', 'b'] Output: [['a', 'b']]", [["a", "b"]]),
        ("[['a'], ['b']], [['c']]", [["a"], ["b"], ["c"]]),
        ("Draft [['a'], ['b']], but no: [['a', 'b']]", [["a", "b"]]),
        ("[['a', 'b'], ['c'] and that's it", [["a", "b"], ["c"]]),
        ("[[happy, sad], [calm]]", [["happy", "sad"], ["calm"]]),
        ("['a', ['b','c'], 'd']", [["a"], ["b", "c"], ["d"]]),
        ('{"groups": [["a"], ["b"]]}', [["a"], ["b"]]),
        ("[[“开心”，“愉快”]，[“难过”]]", [["开心", "愉快"], ["难过"]]),
        ("I cannot help with that.", []),
        ("", []),
        ("[]", []),
        ("]][[", []),
    ],
)
def test_the_list_is_found_inside_a_reply(reply, groups):
    assert read_groups(reply) == groups
    assert read_groups(reply, "literal") == groups


def test_a_literal_reply_keeps_its_apostrophes():
    assert read_groups("""[["can't believe", 'doubt'], ['x']]""", "literal") == [["can't believe", "doubt"], ["x"]]


def test_an_unknown_reading_lists_the_known_ones():
    with pytest.raises(UserError, match="--label_parser 'json' is not known; choose quotes or literal"):
        check_parser("json")
