"""`compare` of files that share names, roots or only some samples; the bootstrap against its slow definition."""

import csv
import tracemalloc

import numpy as np
import pytest

from toolkit.openset import commands
from toolkit.openset.bootstrap import interval, resampled_means
from toolkit.openset.compare import told_apart
from toolkit.openset.replies import ReplyStore
from toolkit.utils.errors import UserError


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def teams(tmp_path, write_labels):
    """gt.csv, and A/pred.csv (all right) and B/pred.csv (half right) of the same stem."""
    names = [f"s{n}" for n in range(10)]
    gt = write_labels("gt.csv", {name: ["x"] for name in names})
    for folder in "AB":
        (tmp_path / folder).mkdir()
    right = {name: ["x"] for name in names}
    a = write_labels("A/pred.csv", right)
    b = write_labels("B/pred.csv", right | {name: ["y"] for name in names[:5]})
    return str(gt), f"{a},{b}"


def test_files_of_one_stem_need_a_root_each(teams, tmp_path, capsys):
    for kind in ("auto", "chatgpt"):
        with pytest.raises(UserError, match="A/pred.csv and .*B/pred.csv would both use .*openset-synonym-pred; name"):
            commands.compare(*teams, grouping=kind)
    with pytest.raises(UserError, match="would both use the replies"):
        commands.compare(*teams, synonym_roots=f"{tmp_path / 'r'},{tmp_path / 'r'}")
    with pytest.raises(UserError, match="names .*pred.csv twice"):
        commands.compare(teams[0], f"{teams[1]},{teams[1].split(',')[0]}", grouping="exact")
    assert commands.compare(*teams, grouping="exact", resamples=100) == 0
    table = capsys.readouterr().out.splitlines()[-2:]
    assert [line.split()[0] for line in table] == ["A/pred.csv", "B/pred.csv"]
    for name in "AB":
        for n in range(5):
            ReplyStore.at(tmp_path / name / "r").save(f"s{n}", "[['x', 'y']]")
    assert commands.compare(*teams, synonym_roots=f"{tmp_path / 'A/r'},{tmp_path / 'B/r'}", resamples=100) == 0
    assert capsys.readouterr().out.count("1.0000") >= 2


def test_an_explicit_root_that_is_not_there(teams, tmp_path):
    with pytest.raises(UserError, match="--synonym_root none1: neither a folder nor a zip"):
        commands.compare(*teams, synonym_roots="none1,none2")


def test_names_are_as_long_as_they_must_be(tmp_path):
    paths = [tmp_path / name for name in ("a/x/p.csv", "b/x/p.csv", "b/y/q.csv")]
    assert told_apart(paths) == ["a/x/p.csv", "b/x/p.csv", "b/y/q.csv"]
    assert told_apart(paths[1:]) == ["p.csv", "q.csv"]


def test_only_samples_that_all_three_have_are_compared(tmp_path, write_labels, capsys):
    names = [f"s{n}" for n in range(6)]
    gt = write_labels("gt.csv", {name: ["x"] for name in names})
    files = []
    for number, (letter, lost) in enumerate(zip("abc", ("s0", "s1", "s1"), strict=True)):
        files.append(str(write_labels(f"{letter}.csv", {name: ["y"] for name in names})))
        for index, name in enumerate(names):
            if name != lost:
                # of the samples that all have (s2 to s5), file a joins 1, file b 2, file c 3
                joined = index - 2 <= number
                reply = "[['x', 'y']]" if joined else "[['x'], ['y']]"
                ReplyStore.at(tmp_path / f"openset-synonym-{letter}").save(name, reply)
    out = str(tmp_path / "out")
    assert commands.compare(str(gt), ",".join(files), resamples=100, allow_missing=True, out=out) == 0
    text = capsys.readouterr().out
    assert "2 samples are scored in some predictions only, left out: s0, s1" in text and "\n4 samples;" in text
    with open(tmp_path / "out" / "comparison.csv", encoding="utf-8", newline="") as file:
        assert [float(row["score"]) for row in csv.DictReader(file)] == [0.25, 0.5, 0.75]


def test_many_samples_in_little_memory():
    values = np.random.default_rng(0).integers(0, 13, (100_000, 2)) / 12
    tracemalloc.start()
    draws = resampled_means(values, 2000, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert draws.shape == (2000, 2) and peak < 100e6
    assert draws.std(axis=0) == pytest.approx(values.std(axis=0) / 100_000**0.5, rel=0.1)


def test_chunks_and_pairs_against_drawing_one_by_one():
    values = np.random.default_rng(1).integers(0, 5, (60, 2)) / 4
    generator = np.random.default_rng(2)
    slow = np.stack([values[generator.integers(0, 60, 60)].mean(axis=0) for _ in range(20_000)])
    fast = resampled_means(values, 20_000, 3)
    assert fast.mean(axis=0) == pytest.approx(values.mean(axis=0), abs=0.002)
    assert np.cov(fast.T) == pytest.approx(np.cov(slow.T), abs=1e-4)  # of both columns, so they are paired
    a, b = (interval(0.0, draws[:, 0] - draws[:, 1]) for draws in (slow, fast))
    assert (b.low, b.high) == (pytest.approx(a.low, abs=0.01), pytest.approx(a.high, abs=0.01))
    assert np.array_equal(resampled_means(values, 500, 3), resampled_means(values, 500, 3))
