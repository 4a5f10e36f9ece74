"""Reading the pages of docs/: their code blocks, their commands, and a copy of the checkout to follow them in."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
_MARK = re.compile(r"<!-- (file|row): (\S+)(?: below: (.+?))? -->")
_COMMAND = re.compile(r"(\$ )?(?:export \S+ *; *)?(python[\d.]*|\./run-mer2024\.sh)( |$)")


@dataclass(frozen=True)
class Block:
    """A fenced block: `mark` is "file" or "row" with its `target` (and the line that it goes `below`), or ""."""

    language: str
    text: str
    mark: str = ""
    target: str = ""
    below: str = ""


@dataclass(frozen=True)
class Page:
    """One markdown file."""

    path: Path

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def blocks(self) -> Iterator[Block]:
        """Its fenced blocks in order; a mark belongs to the block that follows it."""
        mark, fence = ("", "", ""), None
        for line in self.text.splitlines():
            if fence is None and (found := _MARK.fullmatch(line)):
                mark = (found[1], found[2], found[3] or "")
            elif line.startswith("```"):
                if fence is None:
                    fence, language = [], line[3:].strip()
                else:
                    yield Block(language, "".join(f"{row}\n" for row in fence), *mark)
                    mark, fence = ("", "", ""), None
            elif fence is not None:
                fence.append(line)
        assert fence is None, f"{self.path}: a fence is never closed"

    def commands(self) -> list[str]:
        """The python and driver commands in fences, in indented blocks and between backticks; backslashes joined."""
        found = []
        fenced = [line for block in self.blocks() if block.language in ("", "bash") for line in _joined(block.text)]
        prose = re.sub(r"(?ms)^```.*?^```", "", self.text)
        indented = [line.strip() for line in _joined(prose) if line.startswith("    ")]
        inline = [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose)]
        for line in [*fenced, *indented, *inline]:
            if _COMMAND.match(line):
                found.append(line.removeprefix("$ "))
        return found


def _joined(text: str) -> list[str]:
    return re.sub(r"\\\n\s*", "", text).splitlines()


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def pages() -> dict[str, Page]:
    """README*.md and docs/*.md, by their path from the repository's root."""
    paths = [*REPOSITORY.glob("README*.md"), *(REPOSITORY / "docs").glob("*.md")]
    return {path.relative_to(REPOSITORY).as_posix(): Page(path) for path in sorted(paths)}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the code and of the demo's clips, to add files and rows to."""
    copy = tmp_path / "checkout"
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for part in ("toolkit", "feature_extraction", "demo"):
        shutil.copytree(REPOSITORY / part, copy / part, ignore=ignored)
    for script in REPOSITORY.glob("main-*.py"):
        shutil.copy(script, copy)
    return copy


@pytest.fixture
def run_in(checkout: Path) -> Callable[..., subprocess.CompletedProcess]:
    """``run_in("python x.py --flag")``: the command, in the copy, with this interpreter."""
    env = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    for name in ("MER_DATA_ROOT", "MER_TOOLS"):
        env.pop(name, None)

    def run(command: str) -> subprocess.CompletedProcess:
        words = shlex.split(command, comments=True)
        assert words[0] == "python", command
        return subprocess.run(
            [sys.executable, *words[1:]], cwd=checkout, env=env, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture
def follow(checkout: Path, run_in: Callable) -> Callable[[Page], list[tuple[str, str]]]:
    """Do what a page says, in order: write its files, put in its rows, run its bash blocks. Each command's stdout."""

    def do(page: Page) -> list[tuple[str, str]]:
        printed = []
        for block in page.blocks():
            target = checkout / block.target
            if block.mark == "file":
                target.parent.mkdir(parents=True, exist_ok=True)
                assert not target.exists(), f"{block.target} is there already: not a new file"
                target.write_text(block.text, encoding="utf-8")
            elif block.mark == "row":
                before = target.read_text(encoding="utf-8")
                assert before.count(f"\n{block.below}\n") == 1, f"{block.target}: no line {block.below!r}, or several"
                target.write_text(before.replace(f"\n{block.below}\n", f"\n{block.below}\n{block.text}"), "utf-8")
            elif block.language == "bash":
                for command in _joined(block.text):
                    done = run_in(command)
                    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
                    printed.append((command, done.stdout))
        return printed

    return do
