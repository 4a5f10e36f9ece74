"""Every command line that README*.md and docs/*.md show names a script that exists and flags that its --help knows."""

import json
import re
import shlex
import subprocess
import sys

import pytest

from feature_extraction.feature_table import FEATURES

FOREIGN = ("pip", "venv", "pytest")  # python -m ...
PLACEHOLDER = re.compile(r"^[A-Z_]+$|\.\.\.|[<>|]")
# scripts that offer functions: their first argument belongs to the head of the command
OF_FUNCTIONS = ("main-noise.py", "main-ov.py", "main-asr.py", "toolkit.utils.functions")


def _words(command):
    """The words of a command up to a shell operator."""
    command = re.sub(r"\[(-[^\]]*)\]", r"\1", command)  # [--optional FLAG]
    command = re.split(r" (?:\||>|&&|;) ?", command)[0]
    lexer = shlex.shlex(command, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, "#"
    return list(lexer)


def _head(words):
    """``["-m", module]`` or ``[script]``, with the function's name where there is one, and the words behind it."""
    rest = list(words[1:])
    while rest and rest[0] == "-u":
        rest = rest[1:]
    size = 2 if rest and rest[0] == "-m" else 1
    head, rest = rest[:size], rest[size:]
    if head and head[-1] in OF_FUNCTIONS and rest and not rest[0].startswith("-"):
        head, rest = [*head, rest[0]], rest[1:]
    return head, rest


@pytest.fixture(scope="module")
def shown(pages):
    """(page, command, words) of every command."""
    return [(name, command, _words(command)) for name, page in pages.items() for command in page.commands()]


@pytest.fixture(scope="module")
def made(pages):
    """Files that the reader of a page makes."""
    return {block.target for page in pages.values() for block in page.blocks() if block.mark == "file"}


@pytest.fixture(scope="module")
def driver(repository):
    """The driver's steps -> the heads of the commands behind them, read from its own table."""
    text = (repository / "run-mer2024.sh").read_text(encoding="utf-8")
    steps = re.search(r'(?m)^steps="(.+)"$', text)[1].split()
    behind = {step: [] for step in [*steps, "help"]}
    for names, command in re.findall(r"(?m)^ +([\w |]+)\) set -- (.+?) ;;", text):
        head = [word.replace('"$home"/', "") for word in command.split()]
        for name in names.split(" | "):
            behind[name] = [head]
    for modality in ("audio", "visual", "text"):  # one script per model family
        scripts = {row.script for row in FEATURES if row.modality == modality and row.script}
        behind[modality] = [[f"feature_extraction/{script}"] for script in sorted(scripts)]
    return behind


@pytest.fixture(scope="module")
def offered(shown, driver, repository):
    """Head of a command, joined by blanks -> the flags that its --help shows; each head is run once."""
    heads = []
    for _, _, words in shown:
        if words[0].startswith("python"):
            heads.append(_head(words)[0])
        else:
            heads += driver.get(words[1] if len(words) > 1 else "", [])
    wanted = [list(head) for head in dict.fromkeys(map(tuple, heads)) if _problem_of_place(head, repository) is None]
    program = str(repository / "tests/docs/offered_flags.py")
    done = subprocess.run(
        [sys.executable, program], input=json.dumps(wanted), cwd=repository, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _problem_of_place(head, repository):
    """Why the script or module cannot be run; None when it can, "foreign" when it is not ours."""
    if not head:
        return "foreign"
    if head[0] == "-m":
        if len(head) == 1 or head[1].split(".")[0] in FOREIGN or PLACEHOLDER.search(head[1]):
            return "foreign"
        path = repository / head[1].replace(".", "/")
        found = path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
        return None if found else f"no module {head[1]}"
    if not head[0].endswith(".py") or head[0].startswith("my"):  # -c, or a script of the reader's own
        return "foreign"
    return None if (repository / head[0]).is_file() else f"no script {head[0]}"


def _unknown_flags(rest, known):
    """Flags in `rest` that are not among `known`, and values that are none of a flag's choices."""
    for word, following in zip(rest, [*rest[1:], ""], strict=False):
        flag, equals, value = word.partition("=")
        if not re.match(r"--?[A-Za-z]", flag):
            continue
        flag = flag.rstrip(",;)")
        if flag not in known:
            yield f"unknown flag {flag}"
            continue
        value = value if equals else following
        choices = known[flag]
        if choices and value and not value.startswith("-") and not PLACEHOLDER.search(value) and value not in choices:
            yield f"{flag} {value}: choices are {', '.join(choices)}"


def _driver_flags(step, driver, offered, repository):
    text = (repository / "run-mer2024.sh").read_text(encoding="utf-8")
    usage = re.search(rf"(?m)((?:^#.*\n)+)step_{step}\(\)", text)
    known = dict.fromkeys(re.findall(r"--\w+", usage[1] if usage else ""))
    known |= dict.fromkeys(("--dataset", "--data_root", "--help", "--gpu"))
    for head in driver[step]:
        known |= offered[" ".join(head)]
    return known


def _problems(words, driver, offered, repository):
    if words[0].startswith("python"):
        head, rest = _head(words)
        problem = _problem_of_place(head, repository)
        if problem:
            return [] if problem == "foreign" else [problem]
        known = offered[" ".join(head)]
        return [known] if isinstance(known, str) else [*_unknown_flags(rest, known)]
    if len(words) == 1:
        return []
    step, rest = words[1], words[2:]
    if PLACEHOLDER.search(step):
        return []
    if step not in driver:
        return [f"no step {step}"]
    return [*_unknown_flags(rest, _driver_flags(step, driver, offered, repository))]


def test_commands_name_scripts_and_flags_that_exist(shown, made, driver, offered, repository):
    assert len(shown) > 100  # the pages are read at all
    wrong = []
    for name, command, words in shown:
        if set(_head(words)[0]) & made:
            continue
        found = _problems(words, driver, offered, repository)
        wrong += [f"{name}: {command}\n    {problem}" for problem in found]
    assert not wrong, "\n".join(["", *wrong])


def test_every_script_behind_the_driver_answers_help(driver, offered):
    heads = {" ".join(head) for heads in driver.values() for head in heads}
    failed = {head: offered[head] for head in heads & offered.keys() if isinstance(offered[head], str)}
    assert not failed


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("python -u main-release.py --model attention --trails 3", "unknown flag --trails"),
        ("python main-relaese.py --model attention", "no script main-relaese.py"),
        ("python -m toolkit.chekc --dataset MER2024", "no module toolkit.chekc"),
        ("python main-noise.py preview --vidoe x", "unknown flag --vidoe"),
        ("./run-mer2024.sh trian --trials 3", "no step trian"),
        ("./run-mer2024.sh audio eGeMAPS --feature_levle FRAME", "unknown flag --feature_levle"),
        ("python main-release.py --feat_type uttt", "--feat_type uttt: choices are utt, frm_align, frm_unalign"),
        ("python -u main-release.py ... --search grid --seed 1 --resume", None),
        ("$ python main-noise.py preview --video N", None),
    ],
)
def test_the_check_finds_what_is_wrong(command, wrong, driver, offered, repository):
    found = _problems(_words(command.removeprefix("$ ")), driver, offered, repository)
    assert found == ([] if wrong is None else [wrong])
