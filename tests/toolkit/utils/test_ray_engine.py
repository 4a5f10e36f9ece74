"""Ray's flags, room for workers, the session folder, and what a worker answers; no cluster is started here."""

import os
import pickle
import socket
import sys
import types
from importlib.util import find_spec

import pytest

from toolkit.utils.errors import UserError
from toolkit.utils.ray_cluster import _session_folder, ray_cluster
from toolkit.utils.ray_engine import RayOptions, ray_options
from toolkit.utils.ray_pool import Needs, room
from toolkit.utils.ray_worker import RemoteWorker

GB = 2**30


def cluster(**has):
    """Stands for the module ray: what `room` asks of it."""
    return types.SimpleNamespace(cluster_resources=lambda: has)


@pytest.mark.parametrize(
    ("options", "cpus", "use_gpus", "memory", "expected"),
    [
        (RayOptions(), 1, True, 0, (16, Needs(1, 0, 0))),  # no GPU: one worker per core
        (RayOptions(workers=3), 1, True, 0, (3, Needs(1, 0, 0))),
        (RayOptions(), 4, True, 0, (4, Needs(4, 0, 0))),
        (RayOptions(), 1, False, 5 * GB, (6, Needs(1, 0, 5 * GB))),  # 32 GB hold six
        (RayOptions(), 1, False, 50 * GB, (1, Needs(1, 0, 32 * GB))),  # too large for two: all there is
        (RayOptions("auto"), 1, False, 50 * GB, (1, Needs(1, 0, 50 * GB))),  # a larger machine may still join
    ],
)
def test_room_without_gpus(options, cpus, use_gpus, memory, expected):
    assert room(cluster(CPU=16.0, memory=32.0 * GB), options, cpus, use_gpus, memory) == expected


@pytest.mark.parametrize(
    ("options", "use_gpus", "expected"),
    [
        (RayOptions(), True, (4, Needs(1, 1.0))),
        (RayOptions(gpus=0.5), True, (8, Needs(1, 0.5))),
        (RayOptions(gpus=0.3), True, (13, Needs(1, 0.3))),
        (RayOptions(gpus=2.0), True, (2, Needs(1, 2.0))),
        (RayOptions(gpus=0.1), True, (16, Needs(1, 0.1))),  # then the cores are what is short
        (RayOptions(gpus=0.0), True, (16, Needs(1, 0.0))),
        (RayOptions(), False, (16, Needs(1, 0.0))),
    ],
)
def test_room_with_four_gpus(options, use_gpus, expected):
    assert room(cluster(CPU=16.0, GPU=4.0), options, 1, use_gpus) == expected


def test_no_room_is_said_with_what_there_is():
    with pytest.raises(UserError, match="needs 1 CPU \\+ 8 GPU; this machine offers 16 CPU, 4 GPU, 0.0 GB"):
        room(cluster(CPU=16.0, GPU=4.0), RayOptions(gpus=8.0), 1, True)


def test_flags():
    assert ray_options("local") is None
    assert ray_options("ray") == RayOptions()
    assert ray_options("ray", "auto", 3, 0.5) == RayOptions("auto", 3, 0.5)
    assert ray_options("ray", "", None, 2) == RayOptions(None, None, 2)
    for flags, words in (
        (("ray", None, 0), "--ray_workers 0 is not"),
        (("ray", None, "x"), "--ray_workers x is not"),
        (("ray", None, None, -0.5), "--gpus_per_worker -0.5 is not"),
        (("ray", None, None, 1.5), "--gpus_per_worker 1.5 is not"),
        (("ray", None, None, float("inf")), "--gpus_per_worker inf is not"),
        (("spark",), "--engine spark is not one of local, ray"),
        (("local", "auto", 2, 0.5), "--ray_address, --ray_workers, --gpus_per_worker: only with --engine ray"),
    ):
        with pytest.raises(UserError, match=words):
            ray_options(*flags)


def test_a_folder_too_long_for_sockets_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / ("long " * 10)))
    with pytest.raises(UserError, match="set RAY_TMPDIR to one of at most \\d+ letters"):
        _session_folder()


@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed (extra distributed)")
def test_an_address_where_nobody_listens_is_told_at_once():
    with socket.socket() as free:  # bound, so that nobody else has the port, but not listening
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(UserError, match=f"--ray_address {address}: .*refused.*ray start --head"):
            with ray_cluster(RayOptions(address)):
                pass


class Odd(Exception):
    """Cannot be sent: its pickle calls it with one argument."""

    def __init__(self, first, second):
        super().__init__("odd words")


def test_a_worker_answers_with_results_and_errors(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.setenv("MKL_NUM_THREADS", "5")
    monkeypatch.delitem(sys.modules, "torch", raising=False)  # its threads are those of all tests
    errors = {"odd": Odd(1, 2), "user": UserError("no weights"), "key": KeyError("k")}

    def work(item):
        if item in errors:
            raise errors[item]
        return item * 2

    worker = RemoteWorker(lambda: work, 3, str(tmp_path / "not there"))
    assert worker.start() == (True, None) and os.environ["OMP_NUM_THREADS"] == "3" and os.getcwd() == str(tmp_path)
    assert worker.work("ab") == (True, "abab")
    good, error = worker.work("odd")
    assert not good and type(error) is RuntimeError and str(error) == "Odd: odd words"
    assert pickle.loads(pickle.dumps(error)).args == error.args
    for item in ("user", "key"):
        assert worker.work(item) == (False, errors[item])

    def unable():
        raise errors["user"]

    assert RemoteWorker(unable, 1, str(tmp_path)).start() == (False, errors["user"])
