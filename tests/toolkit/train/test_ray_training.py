"""A search on Ray: the rows and files of the engine `local`, from one leaderboard, also when a worker is killed."""

import json
import os
import signal
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from toolkit.train import leaderboard
from toolkit.train.arguments import parse
from toolkit.train.ray_training import MakeTraining, spread
from toolkit.train.run import train
from toolkit.utils.errors import UserError
from toolkit.utils.ray_cluster import ray_cluster
from toolkit.utils.ray_engine import RayOptions

# Not imported here: the engine sets what ray reads when it is imported.
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed (extra distributed)")
RAY = {"engine": "ray", "ray_workers": 2}
OF_THE_RUN = {"finished", "seconds", "args", "files"}  # time, flags, and names that hold the time


@pytest.fixture(scope="module")
def cluster():
    """Ray with two workers' room for the whole module: searches use the connection that there is."""
    with ray_cluster(RayOptions(workers=2, object_store=100 * 2**20)) as ray:
        yield ray


def results(arguments):
    """Rows by (phase, trial), what a run's files hold, and what the search took for the best run."""
    args = parse(arguments, "x")
    status = train(args)
    folder = Path(f"{args.save_root}-trimodal")
    rows, arrays = {}, {}
    for row in leaderboard.read(folder):
        key = row["phase"], int(row["trial"])
        rows[key] = {name: value for name, value in row.items() if name not in OF_THE_RUN}
        for kind, name in json.loads(row["files"]).items():
            if name.endswith(".npz"):
                with np.load(folder / name) as file:
                    arrays[key, kind] = {entry: file[entry] for entry in file.files if entry != "args"}
    return status, rows, arrays


def assert_equal(found, expected):
    assert found[0] == expected[0] and found[1] == expected[1]
    assert found[2].keys() == expected[2].keys() and found[2]
    for key, arrays in expected[2].items():
        assert arrays.keys() == found[2][key].keys()
        for name, array in arrays.items():
            assert np.array_equal(found[2][key][name], array, equal_nan=array.dtype.kind == "f"), (key, name)


def dying_once(marker):
    """`MakeTraining`, whose first call of all kills its process, as ``kill -9`` would."""

    class Dying(MakeTraining):  # in a function: then it goes to the workers by value
        def __call__(self):
            work = super().__call__()

            def dies_once(item):
                if not marker.exists():
                    marker.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return work(item)

            return dies_once

    return Dying


def test_a_search_with_repeats_and_a_killed_worker_is_that_of_local(
    cluster, release_args, tmp_path, capfd, monkeypatch
):
    flags = {"trials": 5, "repeat_best": 2, "threads": 1}
    expected = results(release_args(**flags, save_root=tmp_path / "local"))
    assert len(expected[1]) == 7
    monkeypatch.setattr("toolkit.train.ray_training.MakeTraining", dying_once(tmp_path / "killed"))
    found = results(release_args(**flags, **RAY, save_root=tmp_path / "ray"))
    assert_equal(found, expected)
    told = capfd.readouterr()
    assert told.err.count("a Ray worker died") == 1
    best = [line for line in told.out.splitlines() if line.startswith("best run:")]
    assert len(best) == 2 and best[0] == best[1]


def test_the_loop_and_resuming_what_local_began(cluster, release_args, tmp_path, capfd):
    flags = {"trainer": "loop", "epochs": 2, "trials": 3, "threads": 1, "resume": True, "savemodel": True}
    expected = results(release_args(**flags, jobs=1, save_root=tmp_path / "local"))
    results(release_args(**flags | {"trials": 1}, jobs=1, save_root=tmp_path / "ray"))
    assert_equal(results(release_args(**flags, **RAY, save_root=tmp_path / "ray")), expected)
    assert "1 of 3 runs are already in" in capfd.readouterr().out
    weights = [sorted((tmp_path / f"{name}-trimodal/model").glob("*/*.safetensors")) for name in ("local", "ray")]
    assert len(weights[0]) == len(weights[1]) == 5
    assert [path.read_bytes() for path in weights[0]] == [path.read_bytes() for path in weights[1]]


def test_stacks_are_cut_until_every_worker_has_one():
    groups = [list(range(7)), [7], [8, 9, 10]]
    assert spread(groups, 3) == groups
    assert spread(groups, 4) == [[0, 1, 2], [3, 4, 5, 6], [7], [8, 9, 10]]
    assert spread(groups, 99) == [[number] for number in range(11)]
    assert spread([], 2) == []


def test_flags_that_contradict_each_other(release_args):
    with pytest.raises(UserError, match="--jobs 2: with --engine ray"):
        parse(release_args(**RAY, jobs=2), "x")
    with pytest.raises(UserError, match="--ray_workers: only with --engine ray"):
        parse(release_args(ray_workers=2), "x")
    args = parse(release_args(**RAY, gpu=0), "x")
    assert (args.gpu, args.gpus_per_worker) == (-1, None)  # the workers' own GPUs, where there are any
    assert parse(release_args(**RAY, gpu=-1), "x").gpus_per_worker == 0
