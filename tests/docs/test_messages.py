"""docs/faq.md quotes messages of the code: each of them must still be one that the code can print."""

import ast
import re

import pytest

FEWEST = 14  # literal characters of a message's template: shorter ones would fit anything


def _templates_of_python(path):
    """The texts of a module as lists of literal parts: constants, and f-strings cut at their values."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [""]
            for value in node.values:
                if isinstance(value, ast.Constant):
                    parts[-1] += value.value
                else:
                    parts.append("")
            yield parts
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            yield [node.value]


def _templates_of_bash(text):
    for message in re.findall(r'(?m)die "(.+?)"(?:$|; |\s*#)', text):
        yield re.split(r"\$\{?\w+\}?|\$\([^)]*\)", message)


@pytest.fixture(scope="module")
def templates(repository):
    """Patterns of every message, with the number of their literal characters."""
    found = [*_templates_of_bash((repository / "run-mer2024.sh").read_text(encoding="utf-8"))]
    for folder in ("toolkit", "feature_extraction"):
        for path in (repository / folder).rglob("*.py"):
            found += _templates_of_python(path)
    lines = [line.split("\0") for parts in found for line in "\0".join(parts).split("\n")]  # \0 stands for a value
    sized = [(sum(map(len, parts)), parts) for parts in lines]
    return [(size, re.compile(".*".join(map(re.escape, parts)), re.DOTALL)) for size, parts in sized if size >= FEWEST]


def _literal(line, templates):
    """How many characters of `line` the best template accounts for by its literal parts."""
    return max((size for size, pattern in templates if pattern.search(line)), default=0)


def _quoted(page):
    return [line.rstrip() for block in page.blocks() if block.language == "text" for line in block.text.splitlines()]


def test_every_quoted_message_is_still_in_the_code(pages, templates):
    quoted = _quoted(pages["docs/faq.md"])
    assert len(quoted) > 20
    # a fifth of the line at least stands in one template as it is: the rest are values
    lost = [line for line in quoted if _literal(line, templates) < max(FEWEST, len(line) / 5)]
    assert not lost, "\n".join(["", *lost])


@pytest.mark.parametrize(
    "line",
    [
        "error: --resume wants --seed: without it every command draws another seed, and nothing could be continued",
        "error: no features folder /data/features/hubert_UTT; folders there: eGeMAPS_UTT",
        "run-mer2024.sh demo: no Python 3.12 or newer found; install one, or name it in MER_PYTHON",
        "clip 07: the clip is not nice",
    ],
)
def test_a_changed_message_is_found(line, templates):
    assert _literal(line, templates) < max(FEWEST, len(line) / 5)
