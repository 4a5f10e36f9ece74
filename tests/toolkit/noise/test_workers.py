"""Worker processes: a crash takes one clip, a stop or a dead parent takes the workers, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from toolkit.noise.audio_sets import add_noise
from toolkit.noise.sound import write_wav
from toolkit.noise.workers import Workers
from toolkit.preprocess.batch import Job, run_jobs
from toolkit.preprocess.media import Stopped
from toolkit.utils.errors import UserError

# A maker whose clips' names say what is to happen; it "makes" the number of its process.
MAKER = """
import os, pathlib, signal, time
from toolkit.utils import atomic

class Odd(Exception):
    def __init__(self, first, second):
        super().__init__("odd")

class Maker:
    def __call__(self, job, row, stop):
        if job.name == "slow":
            (job.target.parent / "begun").write_text(str(os.getpid()))
            time.sleep(60)
        if job.name in ("SIGSEGV", "SIGKILL"):
            atomic.part_path(job.target).write_text("half")
            os.kill(os.getpid(), getattr(signal, job.name))
        if job.name == "exit":
            os._exit(3)
        if job.name == "odd":
            raise Odd(1, 2)
        print("a library's chatter")
        return os.getpid()
"""


@pytest.fixture
def maker(tmp_path, monkeypatch):
    """An instance of `Maker`; the workers find its module as this process does."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "noise_test_maker.py").write_text(MAKER)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.delitem(sys.modules, "noise_test_maker", raising=False)
    import noise_test_maker

    return noise_test_maker.Maker()


def _job(folder, name):
    return Job(name, folder / f"{name}.mp4", folder / "out" / f"{name}.mp4")


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:  # killed, but not yet waited for
        return file.read().rpartition(")")[2].split()[0] != "Z"


def _gone(pid, seconds=20.0):
    until = time.monotonic() + seconds
    while _alive(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not _alive(pid)


def test_a_crash_is_the_failure_of_its_clip_alone(maker, tmp_path):
    names = ["a", "SIGSEGV", "b", "exit", "c", "SIGKILL", "d", "odd", "e", "f"]
    pids = []
    with Workers(maker, 2) as workers:

        def work(job, stop):
            pids.append(workers(job, None, stop))
            return ""

        report = run_jobs([_job(tmp_path, name) for name in names], work, "clips", num_workers=2, progress=False)
    reasons = {name: text.removeprefix(f"{tmp_path / name}.mp4: ") for name, text in report.failures}
    died = "the process at work on it died"
    assert reasons == {
        "SIGSEGV": f"{died} (SIGSEGV)",
        "SIGKILL": f"{died} (SIGKILL: out of memory?)",
        "exit": f"{died} (exit status 3)",
        "odd": "RuntimeError: Odd: odd",
    }
    assert report.done == 6 and 1 <= len(set(pids)) <= 5 and os.getpid() not in pids
    assert list((tmp_path / "out").iterdir()) == []  # no half file
    assert all(not _alive(pid) for pid in pids)


def test_a_stop_ends_the_worker(maker, tmp_path):
    (tmp_path / "out").mkdir()
    stop, caught = threading.Event(), []

    def work():
        try:
            workers(_job(tmp_path, "slow"), None, stop)
        except Stopped as error:
            caught.append(error)

    with Workers(maker, 1) as workers:
        thread = threading.Thread(target=work)
        thread.start()
        pid = _begun(tmp_path)
        stop.set()
        thread.join(20)
        assert len(caught) == 1 and not _alive(pid)
        assert workers(_job(tmp_path, "a"), None, threading.Event()) != pid  # another one took its place


def test_workers_end_with_a_killed_parent(maker, tmp_path):
    (tmp_path / "out").mkdir()
    code = "import pathlib, sys, threading, noise_test_maker\nfrom toolkit.noise.workers import Workers\n"
    code += "from toolkit.preprocess.batch import Job\nfolder = pathlib.Path(sys.argv[1])\n"
    code += "with Workers(noise_test_maker.Maker(), 1) as workers:\n"
    code += "    workers(Job('slow', folder / 'a', folder / 'out' / 'a'), None, threading.Event())\n"
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    pid = _begun(tmp_path)
    assert _alive(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert _gone(pid)


def _begun(folder):
    """The process that says it has begun the slow clip."""
    until = time.monotonic() + 30
    note = folder / "out" / "begun"
    while not (note.exists() and note.read_text()) and time.monotonic() < until:
        time.sleep(0.01)
    return int(note.read_text())


def test_workers_make_what_one_process_makes(noise_root, tmp_path):
    for folder in ("one/audio", "three/audio"):
        (tmp_path / folder).mkdir(parents=True)
        rng = np.random.default_rng(4)
        for index in range(9):
            write_wav(tmp_path / folder / f"a '{index}.wav", (rng.normal(size=3000) * 1500).astype(np.int16))
    made = []
    for folder, workers in (("one", 1), ("three", 3)):
        report, target = add_noise(
            tmp_path / folder / "audio", (5, 9), noise_root=noise_root, workers=workers, progress=False
        )
        assert report.done == 9
        made.append({path.name: path.read_bytes() for path in target.iterdir()})
    assert made[0] == made[1] and len(made[0]) == 10


def test_what_is_wrong_with_the_whole_run_ends_it(tmp_path):
    (tmp_path / "audio").mkdir()
    (tmp_path / "noise").mkdir()
    for index in range(4):
        write_wav(tmp_path / "audio" / f"{index}.wav", np.full(3000, 900, np.int16))
    write_wav(tmp_path / "noise" / "silence.wav", np.zeros(32000, np.int16))
    with pytest.raises(UserError, match="100 noise segments in a row were silent"):
        add_noise(tmp_path / "audio", (5,), noise_root=tmp_path / "noise", workers=2, progress=False)
    assert sorted(os.listdir(tmp_path / "audio_snr5")) == [".noise-info.begun", "noise-info.csv"]
