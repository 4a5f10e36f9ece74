"""One row per run, whole rows only, whatever happens to the processes that append."""

import errno
import os
import subprocess
import sys

import pytest

from toolkit.train import leaderboard
from toolkit.utils.errors import UserError

ROW = {"run_id": "x", "f1": "0.5", "hyper": {"b": 1, "a": [1, 2]}, "files": {}}


def test_fifty_processes_append_at_once(tmp_path):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from toolkit.train import leaderboard\n"
        "for number in range(5):\n"
        "    row = {'run_id': f'{sys.argv[2]}-{number}', 'args': 'x' * 3000, 'files': {}}\n"
        "    leaderboard.append(Path(sys.argv[1]), row)\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(number)]) for number in range(50)]
    assert [process.wait() for process in running] == [0] * 50
    rows = leaderboard.read(tmp_path)
    assert sorted(row["run_id"] for row in rows) == sorted(f"{a}-{b}" for a in range(50) for b in range(5))
    assert all(row["args"] == "x" * 3000 for row in rows)


def test_cells_with_json_and_header_once(tmp_path):
    leaderboard.append(tmp_path, ROW)
    leaderboard.append(tmp_path, ROW)
    lines = (tmp_path / "leaderboard.csv").read_text().splitlines()
    assert len(lines) == 3 and lines[0] == ",".join(leaderboard.COLUMNS)
    assert leaderboard.read(tmp_path)[1]["hyper"] == '{"a": [1, 2], "b": 1}'


def test_a_torn_row_is_dropped_and_the_next_append_is_whole(tmp_path):
    leaderboard.append(tmp_path, ROW)
    path = tmp_path / "leaderboard.csv"
    path.write_bytes(path.read_bytes() + b"2026-01-01,half")
    leaderboard.append(tmp_path, ROW | {"run_id": "y"})
    assert [row["run_id"] for row in leaderboard.read(tmp_path)] == ["x", "y"]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    leaderboard.append(tmp_path, ROW)
    before = (tmp_path / "leaderboard.csv").read_bytes()
    real = os.write

    def half(descriptor, data):
        real(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(UserError, match="leaderboard.csv: the run's row cannot be written"):
        leaderboard.append(tmp_path, ROW)
    assert (tmp_path / "leaderboard.csv").read_bytes() == before


def test_a_run_whose_files_are_gone_is_not_finished(tmp_path):
    (tmp_path / "cv.npz").touch()
    leaderboard.append(tmp_path, ROW | {"run_id": "kept", "files": {"cv": "cv.npz"}})
    leaderboard.append(tmp_path, ROW | {"run_id": "lost", "files": {"cv": "gone.npz"}})
    assert list(leaderboard.finished_rows(tmp_path)) == ["kept"]


def test_a_leaderboard_of_another_version_is_left_alone(tmp_path):
    (tmp_path / "leaderboard.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="leaderboard.csv has other columns"):
        leaderboard.append(tmp_path, ROW)
    assert (tmp_path / "leaderboard.csv").read_text() == "a,b\n1,2\n"


def test_a_row_torn_anywhere_loses_nothing_else(tmp_path):
    leaderboard.append(tmp_path, ROW)
    leaderboard.append(tmp_path, ROW | {"run_id": "torn", "note": 'a "quoted", note\nin two lines'})
    path = tmp_path / "leaderboard.csv"
    whole = path.read_bytes()
    second = whole[:-1].rfind(b"\n") + 1
    for cut in range(second + 1, len(whole)):
        path.write_bytes(whole[:cut])
        leaderboard.append(tmp_path, ROW | {"run_id": "next"})
        assert [row["run_id"] for row in leaderboard.read(tmp_path)] == ["x", "next"], cut
