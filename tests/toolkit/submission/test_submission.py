"""Submissions: every problem with its line, and files that are written in order or not at all."""

import argparse
from pathlib import Path

import numpy as np
import pytest

from toolkit.submission.__main__ import main
from toolkit.utils.errors import UserError

NAMES = ["sample_1", "sample_2", 'a, "b"', "sample_4"]
EMOTIONS = ("neutral", "angry", "happy", "sad", "worried", "surprise")


@pytest.fixture
def candidates(tmp_path) -> Path:
    path = tmp_path / "candidates.csv"
    path.write_text('name\nsample_1\nsample_2\n"a, ""b"""\nsample_4\n')
    return path


@pytest.fixture
def check(tmp_path, candidates, capsys):
    """``check(content, *flags)`` -> (exit status, problems without the file's name, last line)."""

    def run(content: str | bytes, *flags: str, track: str = "SEMI", held: bool = True):
        path = tmp_path / "submission.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        limits = ["--candidates", str(candidates)] if held else []
        status = main(["check", str(path), "--track", track, *limits, *flags])
        *lines, last = capsys.readouterr().out.splitlines()
        return status, [line.removeprefix(str(path)) for line in lines], last

    return run


GOOD = 'name,discrete\nsample_4,sad\nsample_1,happy\n"a, ""b""",worried\nsample_2,surprise\n'


def test_a_submission_in_order_in_any_order(check):
    for track in ("SEMI", "NOISE", "mer-semi"):
        assert check(GOOD, track=track) == (0, [], "4 samples, held against 4 candidates; 0 errors: in order")
    assert check(GOOD.replace("\n", "\r\n"))[0] == 0
    assert check(GOOD, held=False)[2] == "4 samples, names not checked: no --candidates; 0 errors: in order"


def test_every_problem_has_its_line(check):
    content = (
        "name,discrete\n"  # 1
        "sample_1,happy\n"
        "sample_1,sad\n"  # 3
        "sample_2,Happyy\n"  # 4
        "stranger,angry\n"  # 5
        "\n"  # 6
        " sample_4,sad\n"  # 7
        ",sad\n"  # 8
        '"a, ""b""",\n'  # 9
        "x,sad,1\n"  # 10
        '"two\nlines",neutral\n'  # 11
        "last,fear \n"  # 13
    )
    status, problems, last = check(content)
    known = "known: neutral, angry, happy, sad, worried, surprise"
    assert problems == [
        ", line 3: error: 'sample_1' stands already in line 2",
        ", line 4: error: sample_2: unknown label 'Happyy'; did you mean 'happy'?",
        ", line 5: error: 'stranger' is no candidate",
        ", line 6: error: an empty line",
        ", line 7: error: name ' sample_4' has blanks at its ends",
        ", line 8: error: empty name",
        ', line 9: error: a, "b": empty label',
        ", line 10: error: 3 cells instead of 2",
        ", line 11: error: 'two\\nlines' is no candidate",
        ", line 13: error: 'last' is no candidate",
        f", line 13: error: last: unknown label 'fear '; {known}",
    ]
    assert status == 1 and last == "7 samples, held against 4 candidates; 11 errors"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xef\xbb\xbf" + GOOD.encode(), ", line 1: error: a byte order mark before the header"),
        (GOOD.replace("discrete", "emotion"), ", line 1: error: the header is 'name,emotion', not 'name,discrete'"),
        (GOOD.replace(",", ";", 1), ", line 1: error: the header is 'name;discrete', not name,discrete: save it with"),
        (GOOD.replace(",sad", ",sad "), ", line 2: error: sample_4: label 'sad ' has blanks at its ends"),
        (GOOD.replace("sample_2,surprise\n", ""), ": error: 'sample_2' is missing"),
        (GOOD.replace("sample_2,", '"sample_2,'), ", line 5: error: not a csv from here on"),
    ],
)
def test_single_problems(check, content, problem):
    status, problems, _ = check(content)
    assert status == 1 and problem in "\n".join(problems)
    others = [line for line in problems if problem not in line and "is missing" not in line]
    assert others == []


def test_empty_files(check):
    assert check("")[1][-1] == ", line 1: error: the file is empty; its first line must be name,discrete"
    assert check("name,discrete\n", held=False) == (
        1,
        [": error: no sample below the header"],
        "0 samples, names not checked: no --candidates; 1 error",
    )


def test_other_label_sets(check):
    assert check(GOOD.replace("sad", "bored"), "--labels", "bored,happy,worried,surprise")[0] == 0
    assert check(GOOD, "--dataset", "MELD")[0] == 1  # joy, not happy
    with pytest.raises(UserError, match="give one"):
        check(GOOD, "--dataset", "MELD", "--labels", "a")
    for labels in (",", "", " , "):
        with pytest.raises(UserError, match="names no label; give them with commas"):
            check(GOOD, "--labels", labels)
    with pytest.raises(UserError, match="has no emotion labels"):
        check(GOOD, "--dataset", "SIMS")
    with pytest.raises(UserError, match="no such track; choose from SEMI, NOISE, OV"):
        check(GOOD, track="semi2")


def test_open_vocabulary(check):
    good = "name,openset\nsample_1,\"['happy', 'calm']\"\nsample_2,['sad']\n\"a, \"\"b\"\"\",['x']\nsample_4,['y']\n"
    assert check(good, track="OV")[::2] == (0, "4 samples, held against 4 candidates; 0 errors: in order")
    status, problems, _ = check(good.replace("sample_2", "sample_9"), track="OV")
    assert status == 1
    assert ": error: 'sample_2' is missing" in problems and ", line 3: error: 'sample_9' is no candidate" in problems
    status, problems, last = check(good.replace("['sad']", ""), track="OV")  # main-ov.py's own check
    assert last == "4 samples, held against 4 candidates; 0 errors besides those of the lists: not in order"
    with pytest.raises(UserError, match="--track OV takes any words: leave out --labels and --dataset"):
        check(good, "--labels", "happy", track="OV")
    assert status == 1 and ", line 3: error: sample_2: empty cell" in problems
    status, problems, _ = check(b"\xef\xbb\xbf" + good.encode(), track="OV")
    assert status == 1 and any("byte order mark" in line for line in problems)


def test_files_that_cannot_be_used(check, tmp_path, candidates):
    assert check(b"name,discrete\n\xff,sad\n", held=False)[:2] == (
        1,
        [", line 2: error: not UTF-8 (byte 14); save it again as UTF-8"],
    )
    for content in (b"name,list\na,['x']\n", b"name,openset\n\xff,['x']\n", b"name,openset\na,\"['x']\n"):
        status, problems, last = check(content, track="OV")
        assert status == 1 and len(problems) == 1 and last.endswith("4 candidates; 1 error")
    with pytest.raises(UserError, match="does not exist"):
        main(["check", str(tmp_path / "none.csv"), "--track", "SEMI"])
    candidates.write_text("name\na\na\n")
    with pytest.raises(UserError, match="line 3: name 'a' stands already in line 2"):
        check(GOOD)
    candidates.write_text("name\n")
    with pytest.raises(UserError, match="no name below the header"):
        check(GOOD)


@pytest.fixture
def results(tmp_path) -> Path:
    """A results file as training writes it: six classes, and one sample that is no candidate."""
    logits = np.full((5, 6), -1.0, np.float32)
    logits[range(5), [3, 2, 5, 0, 1]] = 2.0
    path = tmp_path / "test1_x.npz"
    names = np.array([*NAMES, "not asked"])
    np.savez_compressed(path, names=names, emo_probs=logits, args=np.array(argparse.Namespace(a=1), dtype=object))
    return path


def write(tmp_path, *arguments: str) -> str:
    output = tmp_path / "made" / "submission.csv"
    assert main(["write", *arguments, "--output", str(output)]) == 0
    return output.read_text()


def test_write_from_results(tmp_path, results, candidates, capsys):
    text = write(tmp_path, str(results), "--track", "SEMI", "--candidates", str(candidates))
    assert text == 'name,discrete\nsample_1,sad\nsample_2,happy\n"a, ""b""",surprise\nsample_4,neutral\n'
    assert capsys.readouterr().out.endswith("4 samples; 1 predictions are of no candidate\n")
    made = tmp_path / "made" / "submission.csv"
    assert main(["check", str(made), "--track", "SEMI", "--candidates", str(candidates)]) == 0
    assert write(tmp_path, str(results), "--track", "NOISE").count("\n") == 6  # all samples, in the file's order
    text = write(tmp_path, str(results), "--track", "OV", "--candidates", str(candidates))
    assert text.splitlines()[:2] == ["name,openset", "sample_1,['sad']"]
    assert main(["check", str(made), "--track", "OV", "--candidates", str(candidates)]) == 0


def test_write_from_a_csv(tmp_path, candidates):
    source = tmp_path / "predictions.csv"
    source.write_text('name,emotion,p\nsample_4, sad ,1\nsample_1,happy,1\nsample_2,angry,1\n"a, ""b""",sad,1\n')
    flags = ["--track", "SEMI", "--candidates", str(candidates)]
    expected = 'name,discrete\nsample_1,happy\nsample_2,angry\n"a, ""b""",sad\nsample_4,sad\n'
    assert write(tmp_path, str(source), *flags, "--column", "emotion") == expected
    openset = write(tmp_path, str(source), "--track", "OV", "--column", "emotion")
    assert openset.splitlines()[:2] == ["name,openset", "sample_4,['sad']"]
    with pytest.raises(UserError, match="column discrete is missing.*--column names another"):
        write(tmp_path, str(source), *flags)


def test_nothing_is_written_from_bad_predictions(tmp_path, results, candidates):
    output = tmp_path / "o.csv"

    def refused(*arguments: str, match: str) -> None:
        with pytest.raises(UserError, match=match):
            main(["write", *arguments, "--track", "SEMI", "--output", str(output)])
        assert not output.exists()

    candidates.write_text("name\nsample_1\nzzz\nyyy\n")
    refused(
        str(results), "--candidates", str(candidates), match="no prediction for 2 of the 3 candidates .* 'zzz', 'yyy'"
    )
    refused(str(results), "--dataset", "IEMOCAPFour", match="6 classes, but 4 labels")
    refused(str(tmp_path / "none.npz"), match="does not exist")
    old = tmp_path / "old.npz"
    np.savez(old, emo_probs=np.zeros((2, 6)))
    refused(str(old), match="has no names; a test1_.*original baseline")
    np.savez(old, names=np.array(["a", "a"]), emo_probs=np.zeros((2, 6)))
    refused(str(old), match="a name stands in it twice")
    np.savez(old, names=np.array(["a", "b"]), emo_probs=np.full((2, 6), np.nan))
    refused(str(old), match="the prediction of 'a' is not finite \\(2 such samples\\)")
    for name in ("", " b"):
        np.savez(old, names=np.array(["a", name]), emo_probs=np.zeros((2, 6)))
        refused(str(old), match=f"1 names are empty or have blanks at their ends, for example '{name}'")
    old.write_text("x")
    refused(str(old), match="not a readable results file")
    source = tmp_path / "p.csv"
    source.write_text("name,discrete\na,joyful\n")
    refused(str(source), match="1 labels are unknown, for example a 'joyful'")
    with pytest.raises(UserError, match="is the file of predictions"):
        main(["write", str(source), "--track", "SEMI", "--output", str(source)])
    with pytest.raises(UserError, match="is the file of candidates"):
        main(["write", str(results), "--track", "SEMI", "--candidates", str(candidates), "--output", str(candidates)])


def test_flags_are_not_guessed_and_labels_mean_nothing_for_a_csv_of_lists(tmp_path, capsys):
    source = tmp_path / "p.csv"
    source.write_text("name,openset\na,['x']\n")
    output = tmp_path / "o.csv"
    with pytest.raises(UserError, match="leave out --labels and --dataset"):
        main(["write", str(source), "--track", "OV", "--labels", "x", "--output", str(output)])
    with pytest.raises(SystemExit) as caught:
        main(["write", str(source), "--track", "OV", "--out", str(output)])
    assert caught.value.code == 2 and "--output" in capsys.readouterr().err and not output.exists()
