"""Makes benchmarks/ importable as `python -m benchmarks` and `python benchmarks/fault_drills.py` see it."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    monkeypatch.syspath_prepend(str(REPOSITORY))
