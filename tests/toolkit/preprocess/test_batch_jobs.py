from __future__ import annotations

import csv
import threading

import pytest

from toolkit.preprocess.batch import BatchReport, Job, print_report, run_jobs
from toolkit.preprocess.media import MediaError
from toolkit.utils.errors import UserError


def make_jobs(folder, names):
    return [Job(name, folder / f"{name}.in", folder / "out" / f"{name}.txt") for name in names]


def write_name(job, stop):
    if job.name.startswith("bad"):
        raise MediaError(f"{job.name} is\nbad")
    if job.name.startswith("odd"):
        raise KeyError("x")
    job.target.write_text(job.name)
    return "is warm" if job.name.startswith("warm") else ""


NAMES = ["d", "bad2", "a", "warm", "odd", "c", "bad1", "b"]


@pytest.mark.parametrize("workers", [1, 3, 20])
def test_report_is_the_same_whatever_the_threads(tmp_path, workers):
    report = run_jobs(make_jobs(tmp_path, NAMES), write_name, "x", num_workers=workers, progress=False)
    assert (report.done, report.skipped, report.exit_status) == (5, 0, 1)
    assert report.failures == [("bad1", "bad1 is bad"), ("bad2", "bad2 is bad"), ("odd", "KeyError: 'x'")]
    assert report.warnings == [("warm", "is warm")]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a.txt",
        "b.txt",
        "c.txt",
        "d.txt",
        "warm.txt",
    ]


def test_finished_jobs_are_skipped_unless_overwritten(tmp_path):
    jobs = make_jobs(tmp_path, ["a", "b", "c"])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("old")
    (tmp_path / "out" / "b.txt").write_text("")  # empty: not finished
    report = run_jobs(jobs, write_name, "x", progress=False)
    assert (report.done, report.skipped, report.exit_status) == (2, 1, 0)
    assert (tmp_path / "out" / "a.txt").read_text() == "old"
    report = run_jobs(jobs, write_name, "x", overwrite=True, progress=False)
    assert (report.done, report.skipped) == (3, 0)
    assert (tmp_path / "out" / "a.txt").read_text() == "a"


def test_part_files_of_dead_processes_are_swept(tmp_path):
    (tmp_path / "out").mkdir()
    orphan = tmp_path / "out" / ".a.txt.00000000.999999999.part"
    orphan.touch()
    run_jobs(make_jobs(tmp_path, ["a"]), write_name, "x", progress=False)
    assert not orphan.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError])
def test_an_interruption_stops_the_running_jobs_and_starts_no_more(tmp_path, error):
    both_run = threading.Barrier(2)
    seen = []

    def work(job, stop):
        seen.append(job.name)
        both_run.wait(30)
        if job.name == "b":
            raise error("now")
        assert stop.wait(30), "never told to stop"
        seen.append("stopped")
        return ""

    with pytest.raises(error):
        run_jobs(make_jobs(tmp_path, list("abcdefgh")), work, "x", num_workers=2, progress=False)
    assert sorted(seen[:2]) == ["a", "b"]
    assert "stopped" in seen
    assert "h" not in seen


def test_no_jobs(tmp_path):
    assert run_jobs([], write_name, "x", progress=False).exit_status == 0


def test_printed_report_and_failures_file(tmp_path, capsys):
    report = BatchReport(done=2, skipped=1, failures=[(f"n{i:02d}", "why, so") for i in range(23)], seconds=1.26)
    print_report(report, tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"2 done, 1 already there, 23 failed in 1.3 s -> {tmp_path}"
    assert lines[1] == "  failed: n00: why, so"
    assert lines[20:] == ["  failed: n19: why, so", "  ... and 3 more: see failures.csv in the folder"]
    with open(tmp_path / "failures.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["name", "reason"] and rows[23] == ["n22", "why, so"] and len(rows) == 24
    print_report(BatchReport(done=1), tmp_path)
    assert not (tmp_path / "failures.csv").exists()


def test_names_that_are_not_utf8_can_be_printed():
    report = BatchReport()
    report.fail("a\udcff", MediaError("file a\udcff is bad"))
    assert report.failures == [("a\\udcff", "file a\\udcff is bad")]
