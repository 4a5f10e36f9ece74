"""Command lines of the scripts that offer functions: refused before anything runs, or bound to the right values."""

import re

import pytest

from toolkit.utils.errors import UserError
from toolkit.utils.fire_table import bind, run_fire


def job(
    root: str, csv: str, seed: int = 0, scale: float = 1.0, limit: int | None = None, overwrite: bool = False
) -> int:
    """Do it."""
    calls.append((root, csv, seed, scale, limit, overwrite))
    return 7


calls: list = []


@pytest.fixture(autouse=True)
def empty():
    calls.clear()


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("a b", ("a", "b", 0, 1.0, None, False)),
        ("--csv b a", ("a", "b", 0, 1.0, None, False)),
        ("2024 1e5 --seed=-3", ("2024", "1e5", -3, 1.0, None, False)),
        ("True a,b --seed -3 --scale 1e-1", ("True", "a,b", -3, 0.1, None, False)),
        ("a b 4 0.5 6 yes", ("a", "b", 4, 0.5, 6, True)),
        ("a b --limit None --seed 1 --seed 2", ("a", "b", 2, 1.0, None, False)),
        ("a b --overwrite", ("a", "b", 0, 1.0, None, True)),
        ("a b --nooverwrite", ("a", "b", 0, 1.0, None, False)),
        ("a b --no-overwrite", ("a", "b", 0, 1.0, None, False)),
        ("a b --overwrite FALSE", ("a", "b", 0, 1.0, None, False)),
        ("a b --overwrite=Yes --seed 1", ("a", "b", 1, 1.0, None, True)),
        ("a b --overwrite 0 -l 3", ("a", "b", 0, 1.0, 3, False)),
    ],
)
def test_values(line, values):
    assert run_fire([job], ["job", *line.split()], "x.py", "") == 7
    assert calls == [values]
    assert [type(value) for value in calls[0]] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "a b --colour red",
            r"unknown flag --colour; flags: --root, --csv, --seed, --scale, --limit, --over",
        ),
        ("a b --over-write", "unknown flag --over-write; did you mean --overwrite"),
        ("a b --seed", "--seed needs a value"),
        ("a b --seed --overwrite", "--seed needs a value"),
        ("a b -s 3", "unknown flag -s"),  # seed or scale
        ("a b 1 2 3 yes more 'x'", "too many arguments, 'more' "),
        ("a --seed 1", "--csv must be given"),
        ("--seed 1", "--root, --csv must be given"),
        (
            "a b --overwrite maybe",
            "--overwrite is a switch and 'maybe' no value of it; write --overwrite, --nooverwrite",
        ),
        ("a b --overwrite=2", "--overwrite is a switch and '2'"),
        ("a b --overwrite=", "--overwrite is a switch and ''"),
        ("a b --nooverwrite=true", "--nooverwrite takes no value"),
        ("a b --noseed", "unknown flag --noseed"),
        ("a b -- more", "unknown flag --"),
    ],
)
def test_bad_lines_are_refused_before_the_function_runs(line, message, capsys):
    with pytest.raises(SystemExit) as ended:
        run_fire([job], ["job", *line.split()], "x.py", "")
    assert ended.value.code == 2 and calls == []
    assert re.match(f"error: x.py job: .*{message}", capsys.readouterr().err)
    with pytest.raises(UserError):
        bind(job, line.split(), "x.py job")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a b --seed x", "--seed 'x' is no whole number, such as 0$"),
        ("a b 1.5", "--seed '1.5' is no whole number"),
        ("a b --scale abc", "--scale 'abc' is no number, such as 1.0$"),
        ("a b --limit ten", "--limit 'ten' is no whole number$"),
        ("a b --seed None", "--seed 'None' is no whole number"),
    ],
)
def test_a_value_that_is_no_number_is_the_users_error_before_the_function_runs(line, message):
    with pytest.raises(UserError, match=f"^x.py job: {message}"):
        run_fire([job], ["job", *line.split()], "x.py", "")
    assert calls == []


def test_an_unknown_function_is_named_with_the_known_ones(capsys):
    with pytest.raises(SystemExit) as ended:
        run_fire([job], ["jobs"], "x.py", "")
    assert ended.value.code == 2 and "error: x.py: no function 'jobs'; choose job" in capsys.readouterr().err


def test_text_with_blanks_and_quotes_stays_whole():
    assert bind(job, ["it's $5", "--csv=a=b 'c'.csv"], "x") == {"root": "it's $5", "csv": "a=b 'c'.csv"}


def test_help(capsys):
    assert run_fire([job], [], "x.py", "What it is.") == 0
    assert capsys.readouterr().out == "What it is.\n\nfunctions (each has --help):\n  job: Do it.\n"
    with pytest.raises(SystemExit) as ended:
        run_fire([job], ["job", "a", "--help"], "x.py", "")
    out, err = capsys.readouterr()
    assert ended.value.code == 0 and "--overwrite" in out + err and calls == []
