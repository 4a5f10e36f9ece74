"""Punctuation put into transcripts: which lines, resuming, and that words stay."""

from __future__ import annotations

import csv
import sys
import types

import pytest
import torch

from toolkit.preprocess import asr_backends
from toolkit.preprocess.funasr_asr import CtPunctuation, without_inner_blanks
from toolkit.preprocess.punctuation import bare, has_punctuation, refine_transcripts
from toolkit.utils.errors import UserError

TEXTS = {
    "b": "\u4f60\u597d\u5417",
    "a": "",
    "c": "\u5df2\u6709\uff0c\u6807\u70b9",
    "e": "  ",
    "d": "hello world",
    "f": "3.5 \u5206",
}
MARKED = {**TEXTS, "b": "\u4f60\u597d\u5417\u3002", "d": "hello world\u3002", "f": "3.5 \u5206\u3002"}


class FullStop:
    """Adds a full stop; breaks off, fails or changes words where it is told to."""

    def __init__(self, break_at=None, fail="", change=""):
        self.seen, self.break_at, self.fail, self.change = [], break_at, fail, change

    def punctuate(self, text):
        if len(self.seen) == self.break_at:
            raise KeyboardInterrupt
        self.seen.append(text)
        if text == self.fail:
            raise RuntimeError("no memory")
        return "other words\u3002" if text == self.change else f"{text}\u3002"


def write(path, rows):
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("name", "sentence"), *rows.items()])
    return path


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return dict(list(csv.reader(file))[1:])


def refine(tmp_path, model, **options):
    return refine_transcripts(
        tmp_path / "old.csv", tmp_path / "out" / "new.csv", lambda: model, progress=False, **options
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", False), ("\u4f60\u597d", False), ("\u4f60\u597d\u3002", True), ("\u4f60\uff0c\u597d", True), ("3.5", False)]
    + [("e.g a", False), ("Yes.", True), ("yes, sir", True), ("10:30 pm", False), ("what?!", True), ("it's", False)],
)
def test_what_counts_as_punctuation(text, expected):
    assert has_punctuation(text) == expected


def test_bare_words():
    assert bare(" Hello, World\u3002\u4f60\u597d\uff1f 3.5") == "helloworld\u4f60\u597d35"


def test_lines_without_marks_get_them_and_all_others_stay(tmp_path):
    write(tmp_path / "old.csv", TEXTS)
    model = FullStop()
    result = refine(tmp_path, model)
    assert model.seen == ["\u4f60\u597d\u5417", "hello world", "3.5 \u5206"]
    assert list(read(tmp_path / "out" / "new.csv").items()) == list(MARKED.items())  # in the order of old.csv
    assert (result.report.done, result.report.skipped, result.empty, result.marked) == (3, 0, 2, 1)


def test_an_interrupted_run_is_continued_and_changed_lines_are_done_again(tmp_path):
    write(tmp_path / "old.csv", TEXTS)
    with pytest.raises(KeyboardInterrupt):
        refine(tmp_path, FullStop(break_at=1))
    assert list(read(tmp_path / "out" / "new.csv")) == ["b", "a", "c", "e"]  # in order, without what is not done yet
    model = FullStop()
    assert refine(tmp_path, model).report.skipped == 1
    assert model.seen == ["hello world", "3.5 \u5206"] and read(tmp_path / "out" / "new.csv") == MARKED
    write(tmp_path / "old.csv", TEXTS | {"d": "hello there"})
    model = FullStop()
    assert refine(tmp_path, model).report.done == 1 and model.seen == ["hello there"]
    assert refine(tmp_path, None).report.skipped == 3  # no model is needed any more
    assert refine(tmp_path, FullStop(), overwrite=True).report.done == 3


def test_a_line_that_fails_is_listed_and_one_that_changed_words_stays(tmp_path):
    write(tmp_path / "old.csv", TEXTS)
    result = refine(tmp_path, FullStop(fail="hello world", change="3.5 \u5206"))
    assert result.report.failures == [("d", "RuntimeError: no memory")] and result.report.exit_status == 1
    assert [name for name, _ in result.report.warnings] == ["f"] and "other words" in result.report.warnings[0][1]
    assert read(tmp_path / "out" / "new.csv") == {
        name: text for name, text in (MARKED | {"f": TEXTS["f"]}).items() if name != "d"
    }
    assert refine(tmp_path, FullStop()).report.exit_status == 0
    assert read(tmp_path / "out" / "new.csv")["d"] == MARKED["d"]


def test_wrong_calls(tmp_path, monkeypatch):
    write(tmp_path / "old.csv", TEXTS)
    with pytest.raises(UserError, match="old.csv: OLD and NEW are the same file"):
        refine_transcripts(tmp_path / "old.csv", tmp_path / "old.csv", FullStop, progress=False)
    with pytest.raises(UserError, match="none.csv does not exist"):
        refine_transcripts(tmp_path / "none.csv", tmp_path / "new.csv", FullStop, progress=False)
    with pytest.raises(UserError, match="--language english: punctuation can be restored in Chinese only .*whisper"):
        asr_backends.build_punctuation(None, -1, "english")
    monkeypatch.setattr(asr_backends, "PATH_TO_PRETRAINED_MODELS", tmp_path / "tools")
    with pytest.raises(
        UserError, match=r"no model \(config.yaml\) in ct-punc; looked at .*funasr/ct-punc.*funasr/ct-punc on"
    ):
        asr_backends.build_punctuation(None, -1, "chinese")


# ---------------------------------------------------------------- funasr's model, by a stand-in of its interface


@pytest.fixture
def funasr(monkeypatch):
    """A module funasr whose AutoModel has the interface of version 1.4; it remembers how it was called."""
    calls = types.SimpleNamespace(built=[], inputs=[], options=[], results=[])

    class AutoModel:
        def __init__(self, **options):
            if "broken" in options["model"]:
                raise AssertionError("init_param does not exist")
            calls.built.append(options)

        def generate(self, input, **options):
            calls.inputs.append(input)
            calls.options.append(options)
            return calls.results.pop(0)

    monkeypatch.setitem(sys.modules, "funasr", types.SimpleNamespace(AutoModel=AutoModel))
    return calls


def test_the_punctuation_model(tmp_path, funasr):
    model = CtPunctuation(tmp_path / "ct-punc", torch.device("cpu"))
    assert funasr.built[0]["model"] == str(tmp_path / "ct-punc") and funasr.built[0]["device"] == "cpu"
    assert funasr.built[0]["disable_update"] is True
    funasr.results = [[{"key": "k", "text": " \u4f60\u597d\uff0c \u518d\u89c1\u3002", "punc_array": [2, 3]}]]
    assert model.punctuate("\u4f60\u597d \u518d\u89c1") == "\u4f60\u597d\uff0c\u518d\u89c1\u3002"
    assert funasr.inputs == [["\u4f60\u597d \u518d\u89c1"]]
    assert model.punctuate(" ") == " " and model.punctuate("http://x") == "http://x" and len(funasr.inputs) == 1
    with pytest.raises(UserError, match="broken: funasr cannot load it .init_param does not exist."):
        CtPunctuation(tmp_path / "broken", torch.device("cpu"))


def test_blanks_between_chinese_characters_mean_nothing():
    assert (
        without_inner_blanks(" \u4f60 \u597d \uff0c hello  world \u518d \u89c1 3 ")
        == "\u4f60\u597d\uff0c hello world \u518d\u89c1 3"
    )


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "funasr", None)
    with pytest.raises(UserError, match=r"ct-punc needs the package funasr, .* pip install '\.\[asr\]'"):
        CtPunctuation(tmp_path / "ct-punc", torch.device("cpu"))


def test_the_table_of_commands_has_it(tmp_path, monkeypatch, funasr):
    folder = tmp_path / "tools" / "funasr" / "ct-punc"
    folder.mkdir(parents=True)
    (folder / "config.yaml").touch()
    monkeypatch.setattr(asr_backends, "PATH_TO_PRETRAINED_MODELS", tmp_path / "tools")
    assert isinstance(asr_backends.build_punctuation(None, -1, "zh"), CtPunctuation)
    assert funasr.built[0]["model"] == str(folder)
