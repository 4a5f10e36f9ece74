"""Which commit the figures belong to."""

from __future__ import annotations

import subprocess
from pathlib import Path


def commit(repository: Path) -> str:
    """Short name of the checkout's commit, with a plus where files differ from it; "unknown" without git."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, text=True)
        return done.stdout.strip()

    try:
        return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if git("status", "--porcelain") else "")
    except OSError:
        return "unknown"
