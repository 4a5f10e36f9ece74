from __future__ import annotations

import os

import pytest

from toolkit.preprocess.transcripts import write_transcripts

KEPT = "kept as it is: its texts are not the download's (--overwrite replaces it)"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "transcription-engchi-polish.csv"


def test_one_line_per_clip_in_the_order_given(path):
    texts = {"b": {"chinese": "你好，\n世界", "english": 'say "hi", now'}, "a b": {"chinese": "", "english": " x  y "}}
    assert write_transcripts(path, texts, False) == []
    assert path.read_text(encoding="utf-8") == 'name,chinese,english\nb,你好， 世界,"say ""hi"", now"\na b,,x y\n'


def test_a_larger_download_completes_the_file_and_the_same_one_leaves_it(path):
    write_transcripts(path, {"a": {"english": "one"}}, False)
    os.utime(path, (1, 1))
    assert write_transcripts(path, {"a": {"english": "one"}}, False) == []
    assert path.stat().st_mtime == 1
    assert write_transcripts(path, {"b": {"english": "two"}, "a": {"english": "one"}}, False) == []
    assert path.read_text() == "name,english\nb,two\na,one\n"


@pytest.mark.parametrize(
    "changed",
    [
        "name,chinese,english\na,一,one\n",  # translated
        "name,english\na,One.\n",  # polished
        "name,english\na,one\nmine,more\n",  # rows added
        "name,sentence\na,one\n",
    ],
)
def test_a_file_that_was_changed_is_kept(path, changed):
    path.write_text(changed)
    assert write_transcripts(path, {"a": {"english": "one"}}, False) == [(path.name, KEPT)]
    assert path.read_text() == changed
    assert write_transcripts(path, {"a": {"english": "one"}}, True) == []
    assert path.read_text() == "name,english\na,one\n"


def test_a_damaged_file_is_kept_and_an_empty_one_is_not(path):
    path.write_text('name,english\na,"one\n')
    ((name, text),) = write_transcripts(path, {"a": {"english": "one"}}, False)
    assert name == path.name and text.startswith("kept as it is, but: ") and "never closed" in text
    path.write_text("")
    assert write_transcripts(path, {"a": {"english": "one"}}, False) == []
    assert path.read_text() == "name,english\na,one\n"
