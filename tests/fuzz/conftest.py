"""What the fuzz tests share: bounded runs, the same examples every time, and a guard against hanging and gorging.

The claim of all of them: a reader gives a result, or an error that names the file; never another exception, never
code out of a file, never a hang. What they found stands in test_found.py.
"""

from __future__ import annotations

import contextlib
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from toolkit.utils.errors import UserError

SECONDS = 20  # for one example, on a busy machine; the slowest takes milliseconds
ROOM = 4 << 30  # bytes of address space beyond what the process has

settings.register_profile(
    "bounded",
    max_examples=150,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("bounded")


class Hangs(BaseException):
    """No `Exception`, so that no reader can take it for a broken file."""


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hangs(f"not done after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def outcome() -> Iterator[Callable[..., Any]]:
    """``outcome(read, path)``: what ``read(path)`` returns, or its error, which must name the file."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, limits[1]))

    def judge(read: Callable[[Path], Any], path: Path) -> Any:
        try:
            with time_limit():
                return read(path)
        except (UserError, ValueError) as error:
            assert str(path) in str(error), f"{type(error).__name__} without the file's name: {error}"
            return error

    yield judge
    resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.fixture
def in_time() -> Callable[[], contextlib.AbstractContextManager[None]]:
    """A guard for readers of texts, which have no file: ``with in_time(): ...``."""
    return time_limit
