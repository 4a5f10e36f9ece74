import contextlib
import multiprocessing
import time

import pytest

from feature_extraction.contract import SampleError
from feature_extraction.visual.worker_pool import run_each

DIE = "__import__('os')._exit(3)"


@pytest.mark.parametrize("workers", [1, 2])
def test_results_carry_their_position_and_an_exception_is_a_result(workers):
    with contextlib.closing(run_each(eval, ["1 + 1", "1 / 0", "'c' * 3"], workers)) as results:
        found = dict(results)
    assert found[0] == 2 and found[2] == "ccc" and isinstance(found[1], ZeroDivisionError)


def test_an_item_that_kills_its_worker_takes_nothing_with_it():
    items = ["10", DIE, "30", DIE, "50"]
    with contextlib.closing(run_each(eval, items, 2)) as results:
        found = dict(results)
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert (found[0], found[2], found[4]) == (10, 30, 50)
    assert isinstance(found[1], SampleError) and isinstance(found[3], SampleError)
    assert "worker process died" in str(found[1])


def test_no_items():
    assert list(run_each(eval, [], 2)) == []


def test_closing_early_ends_the_workers():
    before = set(multiprocessing.active_children())
    results = run_each(eval, ["1", *["__import__('time').sleep(600)"] * 6], 2)
    assert next(results) == (0, 1)
    results.close()
    # The pool's own thread may be the one that collects a worker: its entry then goes a moment after the process.
    deadline = time.monotonic() + 10
    while set(multiprocessing.active_children()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert set(multiprocessing.active_children()) - before == set()
