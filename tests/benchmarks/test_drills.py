"""The fault drills themselves: a drill that could not find a fault would prove nothing."""

from __future__ import annotations

import csv
import os
import random
import sys
import time

import numpy as np
import pytest

# Writes ten files, one every 20 ms, whole or not at all, and only those that are missing; or not so, by its name.
WRITER = """
import os, pathlib, sys, time
folder, how = pathlib.Path(sys.argv[1]), sys.argv[2]
for number in range(10):
    path = folder / f"{number}.npy"
    if how != "forgets" and path.exists():
        continue
    text = "x" * 1000 + (str(os.getpid()) if how == "differs" else "")
    if how == "half":
        with open(path, "w") as file:
            file.write(text[:500])
            file.flush()
            time.sleep(0.1)
            file.write(text[500:])
    else:
        part = folder / f".{number}.part"
        part.write_text(text)
        time.sleep(0.02)
        os.replace(part, path)
for part in folder.glob("*.part"):
    if how == "lazy":
        break
    part.unlink()
if how == "lazy":
    (folder / ".lazy.part").write_text("")
"""


@pytest.fixture
def toy():
    """``toy(how)``: a job that does what its name says."""
    from drills.jobs import Job

    return lambda how: Job(how, lambda folder: ["-c", WRITER, str(folder), how], "*.npy")


@pytest.fixture
def usual(toy, tmp_path):
    """``usual(how)``: the toy's undisturbed run, or what a good one would have written."""
    from drills.faults import Undisturbed

    def build(how):
        good = Undisturbed.of(toy("good"), tmp_path)
        return Undisturbed(toy(how), tmp_path, good.contents, good.folder, good.seconds)

    return build


def test_a_good_job_passes(usual):
    from drills.faults import kills

    row = kills(usual("good"), 6, random.Random(1))
    assert row.repeats == 6 and row.problems == [] and row.leftovers == [] and row.good
    assert row.files >= 10 and "of 10 files there" in row.moments


def test_a_half_written_file_is_found(usual):
    from drills.faults import kills

    row = kills(usual("half"), 6, random.Random(1))
    assert any(problem.startswith("half written: ") for problem in row.problems)
    assert any(problem.startswith("different: ") for problem in row.problems) and not row.good


def test_other_content_is_found(usual):
    from drills.faults import kills

    row = kills(usual("differs"), 2, random.Random(1))
    assert "different: 9.npy" in row.problems


def test_a_temporary_file_that_stays_is_found(usual):
    from drills.faults import kills

    row = kills(usual("lazy"), 2, random.Random(1))
    assert "left: .lazy.part" in row.leftovers and not row.good


def test_a_process_that_stays_is_found_and_ended(monkeypatch):
    import drills.processes as processes

    monkeypatch.setattr(processes, "PATIENCE", 0.5)
    child = "import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
    child += " start_new_session=True)\nprint('up', flush=True)\ntime.sleep(60)"
    run = processes.Run([sys.executable, "-c", child], {})
    end = time.monotonic() + 30
    while len(run.alive()) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    run.kill(whole=False)
    left = run.left_over()
    assert len(left) == 1 and "time.sleep(60)" in left[0]
    end = time.monotonic() + 30
    while run.alive() and time.monotonic() < end:
        time.sleep(0.02)
    assert run.alive() == []


def leaderboard(path, folder, **changes):
    row = {"finished": "now", "f1": "0.5", "seconds": "1", "files": "x", "args": f"{folder}/saved"} | changes
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow(row)


def test_times_in_names_and_tables_are_no_difference(tmp_path):
    from drills.compare import contents, differences

    found = []
    for number, folder in enumerate((tmp_path / "one", tmp_path / "two")):
        folder.mkdir()
        args = np.array({"seed": number}, dtype=object)
        np.savez(folder / f"cv_f1:0.5_179538{number}000.25.npz", emo_probs=np.arange(3), args=args)
        leaderboard(folder / "leaderboard.csv", folder, finished=str(number), seconds=str(number))
        (folder / ".claims").write_text(str(number))
        found.append(contents(folder))
    assert sorted(found[0]) == ["cv_f1:0.5_<time>.npz", "leaderboard.csv"]
    assert differences(*found) == []


def test_other_scores_and_arrays_are_a_difference(tmp_path):
    from drills.compare import contents, differences, temporary_files

    found = []
    for number, folder in enumerate((tmp_path / "one", tmp_path / "two")):
        folder.mkdir()
        np.savez(folder / "cv_1795380000.25.npz", emo_probs=np.arange(3) + 1e-7 * number)
        leaderboard(folder / "leaderboard.csv", folder, f1=f"0.{number}")
        (folder / f"only-{number}").write_text("")
        found.append(contents(folder))
    assert differences(*found) == [
        "missing: only-1",
        "not expected: only-0",
        "different: cv_<time>.npz",
        "different: leaderboard.csv",
    ]
    (tmp_path / "one" / ".cv.npz.0123.9@ab.part").write_text("")
    assert temporary_files(tmp_path / "one") == ["left: .cv.npz.0123.9@ab.part"]


def test_a_result_that_is_there_twice_is_a_difference(tmp_path):
    from drills.compare import contents, differences

    np.savez(tmp_path / "cv_1795380000.25.npz", emo_probs=np.arange(3))
    once = contents(tmp_path)
    np.savez(tmp_path / "cv_1795380001.25.npz", emo_probs=np.arange(3))
    assert differences(contents(tmp_path), once) == ["2 files in place of 1: cv_<time>.npz"]


def test_a_cut_npz_is_unreadable_not_equal(tmp_path):
    from drills.compare import contents, half_written

    np.savez(tmp_path / "a.npz", emo_probs=np.arange(300))
    whole = contents(tmp_path)
    data = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(data[:200])
    assert half_written(contents(tmp_path), whole) == ["half written: a.npz"]
    assert contents(tmp_path)["a.npz"][0].startswith("unreadable (BadZipFile")


def test_the_page_lists_what_was_found():
    from drills.faults import Row
    from drills.page import JobRun, page

    rows = [
        Row("kill -9", "noise", 20, "with 0 to 12 of 12 files there", 39, seconds=12.4),
        Row("full disk", "noise", skipped="there is no program mount"),
        Row(
            "two processes",
            "training search",
            2,
            "both",
            56,
            ["not expected: s/model/f:a_0a1b2c3d/fold1.x"] * 3,
            ["left: .a"],
        ),
    ]
    head = {"seed": 7, "short": False, "when": "now", "commit": "abc+", "cores": 2, "python": "3", "load": [1.0, 2.5]}
    lines = page([JobRun(name="noise", rows=rows, **head)]).splitlines()
    assert "- noise: now, commit abc+, seed 7, Python 3, 2 cores, load 1.0 to 2.5" in lines
    assert "| kill -9 | noise | 20 | with 0 to 12 of 12 files there | 39 | yes | 0 | 12 |" in lines
    assert "| full disk | noise | - | - | - | skipped: there is no program mount | - | - |" in lines
    assert "| two processes | training search | 2 | both | 56 | **NO** (3) | **1** | 0 |" in lines
    assert "- two processes, training search: not expected: s/model/..._0a1b2c3d (3 files)" in lines


def test_a_small_disk_is_full_and_read_only(tmp_path):
    from drills.disk import NoDisk, change, room_for, small_disk

    try:
        with small_disk(tmp_path / "disk", 64 << 10) as disk:
            (disk / "a").write_bytes(bytes(5000))
            assert room_for(disk) == 8192
            with pytest.raises(OSError, match="No space left"):
                (disk / "b").write_bytes(bytes(100_000))
            change(disk, "ro")
            with pytest.raises(OSError, match="Read-only"):
                (disk / "c").write_bytes(b"")
            change(disk, "rw")
            (disk / "c").write_bytes(b"")
    except NoDisk as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    assert list((tmp_path / "disk").iterdir()) == []


def test_rows_are_kept_from_run_to_run(tmp_path, monkeypatch):
    import drills.page as page
    from drills.faults import Row

    monkeypatch.setattr(page, "RESULTS", tmp_path / "results")
    run = page.JobRun.begun("noise", 3, True, tmp_path)
    run.rows.append(Row("kill -9", "noise", 3, problems=["missing: a"], seconds=1.5))
    run.keep()
    assert page.kept(["extraction", "noise"]) == [run]
    assert run.commit == "unknown" and page.kept(["noise"])[0].rows[0].problems == ["missing: a"]


def test_interrupted_drills_end_what_they_started():
    from drills.processes import OWNER, Run, end_all, has_variable

    run = Run([sys.executable, "-c", "import time; time.sleep(60)"], {})
    end = time.monotonic() + 30
    while not has_variable(run.pid, OWNER, str(os.getpid())) and time.monotonic() < end:
        time.sleep(0.02)
    end_all()
    assert run.wait(30) == -9
