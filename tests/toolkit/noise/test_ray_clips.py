"""Noise on Ray: the clips and the manifest of the engine `local`, also when a process dies."""

import os
import signal
from importlib.util import find_spec

import pytest

from toolkit.noise.clip_job import ClipMaker, Settings
from toolkit.noise.commands import chosen_engine
from toolkit.noise.run import corrupt_videos
from toolkit.utils.errors import UserError
from toolkit.utils.ray_cluster import ray_cluster
from toolkit.utils.ray_engine import RayOptions

# Not imported here: the engine sets what ray reads when it is imported.
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed (extra distributed)")
SETTINGS = Settings(4, (5, 10), (1, 2), "mpeg4")
NAMES = ("a b", "c$HOME", "d'q\"")
RAY = RayOptions(workers=2, object_store=100 * 2**20)


@pytest.fixture(scope="module")
def cluster():
    """Ray with two workers' room for the whole module: runs use the connection that there is."""
    with ray_cluster(RAY) as ray:
        yield ray


@pytest.fixture
def videos(tmp_path, make_video):
    for number, name in enumerate(NAMES):
        make_video(tmp_path / "video" / f"{name}.mp4", seconds=0.4 + 0.2 * number)
    return tmp_path / "video"


def dying_maker(marker):
    """`ClipMaker` that kills its process at the first call of all, and at every call for the last clip."""

    class Dying(ClipMaker):  # in a function: then it goes to the workers by value
        def __call__(self, job, row, stop):
            if job.name == NAMES[-1] or not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__call__(job, row, stop)

    return Dying


def test_clips_and_manifest_are_those_of_local(cluster, videos, tmp_path, noise_root, monkeypatch):
    def run(target, **options):
        report = corrupt_videos(videos, target, SETTINGS, noise_root=noise_root, progress=False, **options)
        return report, {path.name: path.read_bytes() for path in target.iterdir()}

    (local, expected), (remote, found) = run(tmp_path / "local"), run(tmp_path / "ray", ray=RAY)
    assert local.done == remote.done == 3 and sorted(expected) == sorted(
        [*(f"{n}.mp4" for n in NAMES), "noise-info.csv"]
    )
    assert found == expected
    monkeypatch.setattr("toolkit.noise.run.ClipMaker", dying_maker(tmp_path / "killed"))
    report, found = run(tmp_path / "dying", ray=RAY)
    assert report.done == 2 and [name for name, _ in report.failures] == [NAMES[-1]]
    assert "two processes at work on it died" in report.failures[0][1]
    assert {name: found[name] for name in found if name.endswith(".mp4")} == {
        f"{name}.mp4": expected[f"{name}.mp4"] for name in NAMES[:-1]
    }
    monkeypatch.undo()
    report, found = run(tmp_path / "dying", ray=RAY)
    assert (report.done, report.skipped) == (1, 2) and found == expected


def test_flags_that_contradict_each_other():
    assert chosen_engine("local", "", None, 4) is None
    assert chosen_engine("ray", "host:6379", 3, None) == RayOptions("host:6379", 3)
    with pytest.raises(UserError, match="--workers is for --engine local"):
        chosen_engine("ray", "", None, 4)
    with pytest.raises(UserError, match="--engine dask is not one of local, ray"):
        chosen_engine("dask", "", None, None)
    with pytest.raises(UserError, match="--ray_address: only with --engine ray"):
        chosen_engine("local", "auto", None, None)
