"""Fixtures of the visual tests."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from feature_extraction.contract import Sample


@pytest.fixture(scope="session")
def golden_fill(golden) -> types.ModuleType:
    """tests/golden/fill.py: weights and inputs that are functions of their names."""
    spec = importlib.util.spec_from_file_location("golden_fill", golden.folder / "fill.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def write_faces() -> Callable[[Path, str, np.ndarray], Sample]:
    """``write_faces(folder, name, array)`` -> the sample of ``<folder>/<name>/<name>.npy``."""

    def write(folder: Path, name: str, faces: np.ndarray) -> Sample:
        path = folder / name / f"{name}.npy"
        path.parent.mkdir(parents=True)
        np.save(path, faces)
        return Sample(name, path)

    return write


@pytest.fixture
def random_faces() -> Callable[..., np.ndarray]:
    """``random_faces(count, seed)`` -> ``(count, 112, 112, 3)`` uint8."""

    def draw(count: int, seed: int, height: int = 112, width: int = 112) -> np.ndarray:
        return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)

    return draw


@pytest.fixture
def popen_interruptible() -> Callable[..., subprocess.Popen]:
    """``subprocess.Popen`` with pipes, of a child that Ctrl-C reaches also when pytest itself runs in the background.

    A shell starts background jobs with SIGINT ignored, and children inherit that; for the moment of starting it is not.
    """

    def start(command: list[str], **options: object) -> subprocess.Popen:
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
        finally:
            signal.signal(signal.SIGINT, before)

    return start
