"""Files appear whole or not at all."""

import os
import subprocess
import sys

import numpy as np
import pytest

from toolkit.utils import atomic


def test_success_replaces_and_leaves_nothing_else(tmp_path):
    atomic.write_text(tmp_path / "a.txt", "old")
    atomic.write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_failure_keeps_the_old_file_and_leaves_nothing_else(tmp_path):
    atomic.write_text(tmp_path / "a.txt", "old")

    def fails(file):
        file.write(b"half")
        raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="disk on fire"):
        atomic.write_with(tmp_path / "a.txt", fails)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_object_array_is_never_pickled(tmp_path):
    with pytest.raises(ValueError, match="Object arrays"):
        atomic.save_npy(tmp_path / "a.npy", np.array([{}], dtype=object))
    assert os.listdir(tmp_path) == []


def test_long_names_do_not_outgrow_the_file_system(tmp_path):
    name = "n" * 250 + ".npy"
    atomic.save_npy(tmp_path / name, np.arange(3))
    assert np.load(tmp_path / name).tolist() == [0, 1, 2]


def test_a_killed_writer_leaves_no_result_and_its_part_is_swept(tmp_path):
    code = (
        "import os, signal, sys\n"
        "from toolkit.utils import atomic\n"
        "def write(file):\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
        "atomic.write_with(sys.argv[1], write)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.npz")], check=False)
    assert killed.returncode == -9
    left = os.listdir(tmp_path)
    assert len(left) == 1 and left[0].startswith(".") and left[0].endswith(".part")
    assert atomic.remove_orphans(tmp_path) == 1
    assert os.listdir(tmp_path) == []


def test_parts_of_living_processes_stay(tmp_path):
    own = tmp_path / f".a.npy.{os.getpid()}.part"
    own.touch()
    (tmp_path / ".hidden").touch()
    assert atomic.remove_orphans(tmp_path) == 0
    assert own.exists()
    assert atomic.remove_orphans(tmp_path / "no such folder") == 0


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_parts_of_other_hosts_stay_for_a_day(tmp_path):
    pid = dead_process()
    own = atomic.part_path(tmp_path / "a.npy").name
    assert own.startswith(".a.npy.") and own.endswith(f".{os.getpid()}@{atomic._home()}.part")
    names = {
        "dead here": own.replace(f".{os.getpid()}@", f".{pid}@"),
        "alive here": own,
        "elsewhere": own.replace(f".{os.getpid()}@{atomic._home()}", f".{pid}@0123abcd"),
        "elsewhere, old": own.replace(f".{os.getpid()}@{atomic._home()}", f".{pid + 1}@0123abcd"),
        "alive here, old": own.replace(f".{os.getpid()}@", f".{os.getppid()}@"),
        "older form, dead": f".a.npy.0.{pid}.part",
        "no process at all": f".a.npy.0.{10**30}@{atomic._home()}.part",
    }
    assert len(set(names.values())) == len(names)
    for what, name in names.items():
        (tmp_path / name).touch()
        if what.endswith("old"):
            os.utime(tmp_path / name, (1, 1))
    assert atomic.remove_orphans(tmp_path) == 4
    left = set(os.listdir(tmp_path))
    assert {what for what, name in names.items() if name in left} == {"alive here", "elsewhere", "no process at all"}


def test_the_mark_of_a_place_is_that_of_host_boot_and_namespace(monkeypatch):
    marks = set()
    for node, namespace in (("a", 1), ("b", 1), ("a", 2)):
        monkeypatch.setattr(atomic.platform, "node", lambda node=node: node)
        status = type("Status", (), {"st_ino": namespace})
        monkeypatch.setattr(atomic.os, "stat", lambda path, status=status: status)
        marks.add(atomic._home.__wrapped__())
    assert len(marks) == 3


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_a_process_that_has_ended_but_is_not_reaped_is_dead(tmp_path):
    """In a container whose first process reaps nobody, the workers of a killed run stay in the table for ever."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and still to be reaped
    part = atomic.part_path(tmp_path / "a.npy")
    part = part.with_name(part.name.replace(f".{os.getpid()}@", f".{child.pid}@"))
    part.write_text("half")
    try:
        os.kill(child.pid, 0)  # so far it looks alive
        assert atomic.remove_orphans(tmp_path) == 1
    finally:
        child.wait()
    assert list(tmp_path.iterdir()) == []
