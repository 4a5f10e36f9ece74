"""Listing a feature folder: what changes the fingerprint, and child processes that give the same one."""

import os
import subprocess

import numpy as np
import pytest

from toolkit.data import listing
from toolkit.data.listing import fingerprints, scan_folder


@pytest.fixture
def folders(tmp_path):
    """Six feature folders with awkward names, one with frames in folders, one empty."""
    made = []
    for number in range(6):
        folder = tmp_path / f"feature {number} $x'\"-UTT"
        folder.mkdir()
        for name in ("a b.npy", "c'd.npy", "é快.npy", "other.txt")[: 4 if number < 5 else 0]:
            np.save(folder / name.removesuffix(".npy"), np.zeros(number + 1, np.float32))
        made.append(folder)
    (made[1] / "frames").mkdir()
    np.save(made[1] / "frames" / "0001.npy", np.zeros(3, np.float32))
    os.rename(made[2] / "a b.npy", os.fsencode(made[2]) + b"/broken\xff.npy")
    return made


def test_lines_are_sorted_names_sizes_and_times(folders):
    lines = scan_folder(folders[1]).lines
    assert [line.rsplit("/", 2)[0] for line in lines] == [
        "a b.npy",
        "c'd.npy",
        "frames/0001.npy",
        "other.txt.npy",
        "é快.npy",
    ]
    assert [int(line.rsplit("/", 2)[1]) for line in lines] == [128 + 8, 128 + 8, 128 + 12, 128 + 8, 128 + 8]
    status = os.stat(folders[1] / "a b.npy")
    assert int(lines[0].rsplit("/", 1)[1]) == max(status.st_mtime_ns, status.st_ctime_ns)


@pytest.mark.parametrize("side_by_side", [False, True])
def test_fingerprints_equal_the_plain_scan(folders, side_by_side):
    expected = [scan_folder(folder).fingerprint for folder in folders]
    assert len(set(expected)) == len(folders)
    assert list(fingerprints(folders, side_by_side)) == expected
    np.save(folders[4] / "a b", np.ones(9, np.float32))
    changed = list(fingerprints(folders, side_by_side))
    assert [old != new for old, new in zip(expected, changed, strict=True)] == [False] * 4 + [True, False]


def test_children_run_ahead_but_not_all_at_once_and_end_with_the_caller(folders, monkeypatch):
    started = []

    class Noted(subprocess.Popen):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            started.append(self)

    monkeypatch.setattr(listing.subprocess, "Popen", Noted)
    going = fingerprints(folders, True)
    next(going)
    assert len(started) == listing.CHILDREN == 4
    going.close()
    assert len(started) == 4 and all(child.returncode is not None for child in started)


@pytest.mark.parametrize("broken", [OSError("no more processes"), "status 1"])
def test_without_children_the_work_is_done_here(folders, monkeypatch, broken):
    def start(command, **options):
        if isinstance(broken, OSError):
            raise broken
        return subprocess_popen(["false"], **options)

    subprocess_popen = subprocess.Popen
    monkeypatch.setattr(listing.subprocess, "Popen", start)
    assert list(fingerprints(folders, True)) == [scan_folder(folder).fingerprint for folder in folders]


def test_a_missing_folder_is_the_callers_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        list(fingerprints([tmp_path / "none"], True))
