"""The save loop: what is written, skipped, redone, reported, and what survives a kill."""

from __future__ import annotations

import errno
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from feature_extraction import cli
from feature_extraction.manifest import LOCK_FILE
from feature_extraction.save_loop import run_extraction
from toolkit.dataloader.feature_folders import choose_folders
from toolkit.utils import atomic
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv

ADDED = {"manifest.json", LOCK_FILE}
ODD_NAMES = ("plain", "with space", "dots.in.it", "quote'\"s", "$HOME", "中文", "a;b&c", "-dash", "n.npy")


@pytest.fixture(autouse=True)
def counting(monkeypatch: pytest.MonkeyPatch):
    """Makes counting_extractor.py importable, here and in worker processes (they get this process's path)."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    return importlib.import_module("counting_extractor")


def counting_extractor(*stems: str):
    return importlib.import_module("counting_extractor").CountingExtractor(*stems)


@pytest.fixture
def clips(tmp_path: Path, counting):
    """A function that writes clips, name -> values, and gives their samples."""
    folder = tmp_path / "clips"
    folder.mkdir()

    def write(values: dict) -> list:
        for name, numbers in values.items():
            (folder / f"{name}.json").write_text(json.dumps(numbers))
        return counting.samples_in(folder)

    return write


def run(samples, root, level="UTTERANCE", extractor=None, **options):
    return run_extraction(extractor or counting_extractor(), samples, root, level, progress=False, **options)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != LOCK_FILE}


def test_frame_is_the_array_and_utterance_its_mean(clips, tmp_path):
    samples = clips({"a": [1, 2, 6], "b": [4]})
    report = run(samples, tmp_path / "f", "FRAME", counting_extractor("x", "eGeMAPS"))
    assert [folder.name for folder in report.folders] == ["x-FRA", "eGeMAPS_FRA"]
    expected = np.array([[1, 2, 3], [2, 4, 6], [6, 12, 18]], np.float32)
    saved = np.load(tmp_path / "f/x-FRA/a.npy")
    assert saved.dtype == np.float32 and np.array_equal(saved, expected)
    assert np.array_equal(np.load(tmp_path / "f/eGeMAPS_FRA/a.npy"), 2 * expected)
    assert np.load(tmp_path / "f/x-FRA/b.npy").shape == (1, 3)
    run(samples, tmp_path / "f")
    saved = np.load(tmp_path / "f/count-UTT/a.npy")
    assert saved.dtype == np.float32 and np.array_equal(saved, np.array([3, 6, 9], np.float32))


def test_no_rows_become_a_zero_row(clips, tmp_path):
    samples = clips({"empty": []})
    for level, shape in (("FRAME", (1, 3)), ("UTTERANCE", (3,))):
        report = run(samples, tmp_path / "f", level)
        saved = np.load(report.folders[0] / "empty.npy")
        assert saved.shape == shape and not saved.any()
        assert run(samples, tmp_path / "f", level).skipped == 1


def test_finished_samples_are_skipped_unless_overwrite(clips, tmp_path):
    samples = clips({"a": [1], "b": [2]})
    assert run(samples, tmp_path / "f").done == 2
    clips({"a": [5]})
    extractor = counting_extractor()
    report = run(samples, tmp_path / "f", extractor=extractor)
    assert (report.done, report.skipped, extractor.seen) == (0, 2, [])
    assert np.load(tmp_path / "f/count-UTT/a.npy")[0] == 1
    assert run(samples, tmp_path / "f", overwrite=True).done == 2
    assert np.load(tmp_path / "f/count-UTT/a.npy")[0] == 5


def test_a_sample_missing_in_one_of_two_folders_is_redone(clips, tmp_path):
    samples = clips({"a": [1], "b": [2]})
    run(samples, tmp_path / "f", extractor=counting_extractor("x", "y"))
    (tmp_path / "f/y-UTT/b.npy").unlink()
    report = run(samples, tmp_path / "f", extractor=counting_extractor("x", "y"))
    assert (report.done, report.skipped) == (1, 1)
    assert (tmp_path / "f/y-UTT/b.npy").exists()


def test_one_bad_sample_costs_only_itself(clips, tmp_path):
    samples = clips({"a": [1], "bad": "bad", "c": [2], "nan": [float("nan")], "poison": "poison", "z": [3]})
    report = run(samples, tmp_path / "f", batch_size=6)
    assert (report.done, report.exit_status) == (3, 1)
    folder = tmp_path / "f/count-UTT"
    assert {path.name for path in folder.glob("*.npy")} == {"a.npy", "c.npy", "z.npy"}
    assert np.load(folder / "z.npy").tolist() == [3, 6, 9]
    bad = samples[1].path
    assert (folder / "failures.csv").read_text() == (
        "name,reason\n"
        f"bad,{bad}: two lines\n"
        "nan,count: the model gave a value that is not finite (NaN or infinity)\n"
        "poison,RuntimeError: out of luck\n"
    )


def test_a_batch_without_its_bad_sample_is_not_split(clips, tmp_path):
    extractor = counting_extractor()
    run(clips({"a": [1], "bad": "bad", "c": [2]}), tmp_path / "f", extractor=extractor, batch_size=3)
    assert extractor.seen == [2]
    extractor = counting_extractor()
    run(clips({"d": "poison"}), tmp_path / "f", extractor=extractor, batch_size=4, overwrite=True)
    assert extractor.seen == [3, 1, 1, 1]


def test_failures_csv_follows_retries(clips, tmp_path):
    samples = clips({"a": "bad", "b": "bad", "c": [1]})
    assert [name for name, _ in run(samples, tmp_path / "f").failures] == ["a", "b"]
    samples = clips({"a": [7]})
    run(samples[:1], tmp_path / "f")  # only a is tried: b's row stays
    rows = (tmp_path / "f/count-UTT/failures.csv").read_text().splitlines()
    assert len(rows) == 2 and rows[1].startswith("b,")
    samples = clips({"b": [8]})
    assert run(samples, tmp_path / "f").exit_status == 0
    assert not (tmp_path / "f/count-UTT/failures.csv").exists()


def test_an_array_of_the_wrong_width_is_a_failure(clips, tmp_path, counting):
    class Wide(counting.CountingExtractor):
        def extract(self, batch):
            return [(np.zeros((1, 4), np.float32),) for _ in batch]

    report = run(clips({"a": [1]}), tmp_path / "f", extractor=Wide())
    assert report.failures == [("a", "ValueError: count: expected an array (T, 3), got (1, 4)")]


@pytest.mark.parametrize("level", ["UTTERANCE", "FRAME"])
def test_files_that_are_not_whole_are_redone(clips, tmp_path, level):
    samples = clips({name: [1, 2] for name in ("cut", "empty", "wide", "scalar", "zip", "objects", "good")})
    folder = run(samples, tmp_path / "f", level).folders[0]
    whole = contents(folder)
    (folder / "cut.npy").write_bytes(whole["cut.npy"][:-1])
    (folder / "empty.npy").write_bytes(b"")
    np.save(folder / "wide.npy", np.zeros((2, 4), np.float32))
    np.save(folder / "scalar.npy", np.float32(1))
    with open(folder / "zip.npy", "wb") as file:
        np.savez(file, a=np.zeros(3))
    np.save(folder / "objects.npy", np.array([{}, {}, {}]), allow_pickle=True)
    report = run(samples, tmp_path / "f", level)
    assert (report.done, report.skipped) == (6, 1)
    assert contents(folder) == whole


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_no_byte(clips, tmp_path, workers):
    values = {name: list(range(1, 4 + index)) for index, name in enumerate(ODD_NAMES)}
    samples = clips({**values, "bad": "bad", "poison": "poison"})
    plain = run(samples, tmp_path / "f", "FRAME", batch_size=2)
    other = run(samples, tmp_path / "g", "FRAME", batch_size=2, num_workers=workers)
    assert plain.failures == other.failures and [name for name, _ in plain.failures] == ["bad", "poison"]
    files = contents(tmp_path / "f/count-FRA")
    assert set(files) == {f"{name}.npy" for name in ODD_NAMES} | {"failures.csv", "manifest.json"}
    assert contents(tmp_path / "g/count-FRA") == files
    assert run(samples, tmp_path / "f", "FRAME").skipped == len(ODD_NAMES)


def test_orphans_of_dead_processes_are_swept(clips, tmp_path):
    folder = tmp_path / "f/count-UTT"
    folder.mkdir(parents=True)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead, alive = folder / f".a.npy.0.{process.pid}.part", folder / f".b.npy.0.{os.getppid()}.part"
    dead.write_bytes(b"half")
    alive.write_bytes(b"half")
    run(clips({"a": [1]}), tmp_path / "f")
    assert {path.name for path in folder.iterdir()} == {alive.name, "a.npy"} | ADDED


def test_killed_in_the_middle_of_a_write_then_run_again(clips, tmp_path):
    samples = clips({f"clip {index}": list(range(index + 2)) for index in range(8)})
    run(samples, tmp_path / "f", "FRAME", batch_size=1)
    script = Path(__file__).with_name("counting_extractor.py")
    command = [sys.executable, str(script), str(samples[0].path.parent), str(tmp_path / "g"), "5"]
    killed = subprocess.run(command, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    folder = tmp_path / "g/count-FRA"
    whole = contents(tmp_path / "f/count-FRA")
    left = contents(folder)
    parts = [name for name in left if name.endswith(".part")]
    assert len(parts) == 1 and len(left) == 6 and json.loads(left.pop("manifest.json"))["counts"] == {}
    assert all(left[name] == whole[name] for name in left if name not in parts)
    report = run(samples, tmp_path / "g", "FRAME", batch_size=1)
    assert (report.done, report.skipped) == (4, 4)
    assert contents(folder) == whole


def test_printed_report_lists_failures_and_folder(clips, tmp_path, capsys):
    bad = {f"bad{index:02d}": "bad" for index in range(22)}
    cli.print_report(run(clips({"a": [1], **bad}), tmp_path / "f"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("1 done, 0 already there, 22 failed in ") and lines[0].endswith("count-UTT")
    assert lines[1].startswith("  failed: bad00: ") and len(lines) == 22
    assert lines[-1] == "  ... and 2 more: see failures.csv in the folder"


def test_copies_of_the_model_change_no_byte(clips, tmp_path):
    values = {name: list(range(1, 4 + index)) for index, name in enumerate(ODD_NAMES)}
    samples = clips({**values, "bad": "bad", "poison": "poison"})
    plain = run(samples, tmp_path / "f", "FRAME", batch_size=2)
    extractor = counting_extractor()
    other = run(samples, tmp_path / "g", "FRAME", batch_size=2, num_procs=2, extractor=extractor)
    assert extractor.seen == [] and other.done == plain.done == len(ODD_NAMES)  # nothing was computed here
    assert other.failures == plain.failures
    assert contents(tmp_path / "g/count-FRA") == contents(tmp_path / "f/count-FRA")


@pytest.mark.parametrize("options", [{"num_workers": 2}, {"num_procs": 2}])
def test_a_worker_that_dies_costs_one_sample(clips, tmp_path, options):
    values = {f"clip {index}": [index] for index in range(6)}
    samples = clips({**values, "deadly": "kill"})
    report = run(samples, tmp_path / "f", batch_size=4, **options)
    assert report.done == 6
    assert report.failures == [
        ("deadly", "the worker process died on it (out of memory, or a crash while decoding)"),
    ]


@pytest.mark.parametrize("options", [{}, {"num_procs": 2}])
def test_a_model_that_cannot_be_loaded_stops_the_run(clips, tmp_path, options, counting):
    samples = clips({"a": [1], "b": [2]})
    with pytest.raises(UserError, match="^no weights$"):
        run(samples, tmp_path / "f", extractor=counting.Weightless(), batch_size=1, **options)
    assert not list((tmp_path / "f/count-UTT").glob("*.npy"))


def test_the_model_is_not_loaded_when_all_is_done(clips, tmp_path, counting):
    samples = clips({"a": [1]})
    run(samples, tmp_path / "f")
    assert run(samples, tmp_path / "f", extractor=counting.Weightless()).skipped == 1


@pytest.mark.parametrize("options", [{}, {"num_workers": 2}, {"num_procs": 2}])
def test_remarks_are_counted_and_told_once(clips, tmp_path, capsys, options, counting):
    samples = clips({f"c{index}": [index, 1000] for index in range(5)} | {"quiet": [1], "bad": "bad"})
    report = run(samples, tmp_path / "f", extractor=counting.Remarking(), batch_size=2, **options)
    assert report.notes == {"loud": 5, "batch": 4}
    cli.print_report(report)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("  note: 4 clips: batch") and lines[2] == "  note: 5 clips: loud (such as c0, c1, c2)"


def test_copies_of_a_killed_run_end_with_it(clips, tmp_path):
    samples = clips({f"clip {index}": [index] for index in range(4)} | {"slow": "sleep"})
    script = Path(__file__).with_name("counting_extractor.py")
    command = [sys.executable, str(script), str(samples[0].path.parent), str(tmp_path / "g"), "copies"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    workers = set()
    deadline = time.monotonic() + 60
    while len(workers) < 1 and time.monotonic() < deadline:  # the one that sleeps has written its number
        workers = {int(path.name) for path in (tmp_path / "clips").glob("[0-9]*") if path.name.isdigit()}
        time.sleep(0.05)
    assert workers, "no worker started"
    process.kill()
    process.wait()
    while any(_running(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_running(pid) for pid in workers)
    (tmp_path / "clips/slow.json").write_text("[9]")
    report = run(samples, tmp_path / "g")
    assert report.done + report.skipped == 5 and report.exit_status == 0
    run(samples, tmp_path / "f")
    assert contents(tmp_path / "g/count-UTT") == contents(tmp_path / "f/count-UTT")


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("stem", "level", "folder"),
    [("eGeMAPS", "UTTERANCE", "eGeMAPS_noisesnr5_UTT"), ("a.b", "FRAME", "a.b-noisesnr5-FRA")],
)
def test_folders_of_a_condition_are_those_that_training_reads(clips, tmp_path, stem, level, folder):
    samples = clips({"a": [1]})
    run(samples, tmp_path / "f", level, counting_extractor(stem))
    run(samples, tmp_path / "f", level, counting_extractor(stem), infix="noisesnr5")
    plain = folder.replace("noisesnr5", "").replace("__", "_").replace("--", "-")
    for condition in ("noisesnr5", "snr5"):
        side = choose_folders("test", tmp_path / "f", [plain], ["A"], condition)
        assert side.folders == (tmp_path / "f" / folder,) and side.notes == ()
    assert choose_folders("test", tmp_path / "f", [plain], ["A"], None).folders == (tmp_path / "f" / plain,)


def test_names_that_no_file_can_have_are_failures(clips, tmp_path, capsys):
    names = {"NUL": "a\0b", "latin": os.fsdecode(b"caf\xe9"), "long": "n" * 300, "hidden": ".x"}
    (source,) = clips({"good": [1]})
    samples = [source, *(replace(source, name=name) for name in names.values())]
    for overwrite in (False, True, False):
        report = run(samples, tmp_path / "f", overwrite=overwrite)
        assert report.done + report.skipped == 1 and report.exit_status == 1
    cli.print_report(report)
    printed = capsys.readouterr().out.encode()  # UTF-8, as a terminal wants it
    assert rb"failed: caf\xe9: its name is not UTF-8; rename the file" in printed
    listed = read_csv(tmp_path / "f/count-UTT/failures.csv", ("name",))
    assert {row["name"] for row in listed} == {"a\0b", r"caf\xe9", "n" * 300, ".x"}
    run([source], tmp_path / "f")  # the others' rows stay
    assert len(read_csv(tmp_path / "f/count-UTT/failures.csv")) == 4


@pytest.mark.parametrize("number", [errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ])
def test_a_name_that_the_file_system_refuses_costs_its_clip(clips, tmp_path, monkeypatch, number):
    samples = clips({"a": [1], "b": [2], "c": [3]})
    replace_file = os.replace

    def refusing(source, target):
        if Path(target).name == "b.npy":
            raise OSError(number, os.strerror(number), str(target))
        replace_file(source, target)

    monkeypatch.setattr(atomic.os, "replace", refusing)
    report = run(samples, tmp_path / "f")
    assert report.done == 2 and [name for name, _ in report.failures] == ["b"]
    assert report.failures[0][1].endswith("rename the clip") and "b.npy" in report.failures[0][1]


def test_a_full_disk_ends_the_run(clips, tmp_path, monkeypatch):
    def full(file, array, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.np, "save", full)
    with pytest.raises(OSError, match="no space left on the disk"):
        run(clips({"a": [1]}), tmp_path / "f")


def test_overwrite_removes_the_older_feature_of_a_clip_that_fails(clips, tmp_path):
    samples = clips({"a": [1], "b": [2]})
    run(samples, tmp_path / "f", extractor=counting_extractor("x", "y"))
    clips({"b": "bad"})
    report = run(samples, tmp_path / "f", extractor=counting_extractor("x", "y"), overwrite=True)
    assert (report.done, [name for name, _ in report.failures]) == (1, ["b"])
    for folder in report.folders:
        assert [path.name for path in folder.glob("*.npy")] == ["a.npy"]
