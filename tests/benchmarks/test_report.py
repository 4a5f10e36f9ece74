"""`python -m benchmarks`: figures out of the output, targets, failures, curves, what is kept."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent

# Lines as the benchmarks print them.
FOLD = "s per fold-epoch; 50 runs x 5 folds x 100 epochs 6 h;"
AUDIO = (("float32", 1, 0.9), ("float32", 2, 1.24), ("bfloat16", 1, 1.76), ("bfloat16", 2, 2.1))
PRINTED = {
    "startup": "main-asr.py    median 0.12 s, min 0.1\nmain-noise.py    median 0.31 s\nmain-ov.py  median 0.20 s",
    "training": f"""torch 2, 2 threads, cpu

attention: 5030 training samples, 3 inputs of 2816 in all, hidden 128
  1169 test samples:
    (a) reference's way  0.9000 {FOLD} 1.0 times (a) (1.0 to 1.0 in 1 rounds)
    (c) population       0.1500 {FOLD} 6.0 times (a) (6.0 to 6.0 in 1 rounds)
    (c) runs at 50 % of the machine's batched-product rate, 60 Gflop/s
  20000 test samples:
    (a) reference's way  1.5000 {FOLD} 1.0 times (a) (1.0 to 1.0 in 1 rounds)
    (c) population       0.2000 {FOLD} 7.5 times (a) (7.5 to 7.5 in 1 rounds)
""",
    "topn": f"  1169 test samples:\n    (c) population   0.2 {FOLD} 4.2 times (a) (4.2 to 4.2 in 1 rounds)\n",
    "recurrent": "  mfn      1 process 10.0 s, 2 processes 6.0 s: 1.67 times\n"
    "  ef_lstm  1 process 9.0 s, 2 processes 6.0 s: 1.50 times",
    "reading": "  ours, first time              2.81 s  (2.8 times as fast)\n"
    "  ours, from the cache          0.252 s  (31 times as fast)",
    "memory": "  arrays 2.00 GB; peak of the process before 0.50 GB, after reading 2.40 GB, after training 3.50 GB",
    "text": "  float32, sorted batches      12.00 /s    2.45 times, start\n"
    "  bfloat16, sorted batches     30.00 /s    5.50 times, start",
    "audio": "\n".join(
        f"  {dtype}, copies of the model: {copies}      9.00 /s   {ratio:5.2f} times, start 3 s"
        for dtype, copies, ratio in AUDIO
    ),
    "opensmile": "".join(
        f"\nopenSMILE: {name}, 64 clips of 4 s\n  no worker processes   5.00 /s   1.00 times, start\n"
        f"  2 worker processes   9.00 /s   {ratio} times, start\n"
        for name, ratio in (("eGeMAPS", "3.10"), ("IS13", "1.60"))
    ),
    "flat": "peak memory: openSMILE eGeMAPS with 2 workers\n"
    "   50 clips    100 MB, largest worker\n  200 clips    105 MB, largest",
    "scan": "  again, all there, UTTERANCE          0.21 s (20000 skipped)\n  again, all there, FRAME      9.00 s",
    "visual": "CLIP ViT-B/32, float32: 1 clips: ours with 2 copies 9.0 (ratio 1.01), with the start (ratio 0.5)\n"
    "FERPlus ResNet-50: 1 clips: ours 9.0 (ratio 1.30), with the start (ratio 0.6)",
    "faces": "two workers against plain loop: 4.70 times (median), 4.80 (fastest rounds)\n"
    "two workers against one process, OpenCV's threads: 1.30 times (median), 1.32 (fastest rounds)\n"
    "two workers against one process, one thread: 1.60 times (median), 1.65 (fastest rounds)",
    "noise": "".join(
        f"noise files of {seconds} s: seconds per clip, median of the rounds (range); times faster than the original\n"
        "original, 8 processes     wall 0.5 (0.5-0.5)  1.0 x   processor 0.9  1.0 x\n"
        f"ours, mpeg4, 2 workers    wall 0.1 (0.1-0.1)  {ratio} x   processor 0.2  4.5 x\n"
        "ours, libx264, 2 workers  wall 0.1 (0.1-0.1)  9.0 x   processor 0.2  9.5 x\n"
        for seconds, ratio in ((510, 3.5), (60, 3.1), (8, 2.9))
    ),
    "openset": "   8 side by side    1.7 s  (7.1 times as fast)\n  16 side by side    1 s  (12 times as fast)\n\n"
    "10000 samples: reading 0.3 s, scoring 0.1 s (0.5)",
    "distributed": "start of a Ray cluster, import included: 5.0 s\n"
    "eGeMAPS, 60 clips of 4 s        local   2.00 s   ray   3.00 s    1.50 times   60 results equal\n"
    "BERT-base, 100 sentences        local   2.00 s   ray   2.20 s    1.10 times   100 results DIFFERENT\n"
    "noise, 8 clips                  local   2.00 s   ray   2.40 s    1.20 times   9 results equal\n"
    "search, 4 runs of 5 folds, 5 epochs  local   2.00 s   ray   1.80 s    0.90 times   4 results equal\n",
}
FIGURES = {
    "startup": [0.31],
    "training": [6.0, 7.5],
    "topn": [4.2],
    "recurrent": [1.67, 1.5],
    "reading": [2.8, 31],
    "memory": [0.95, 1.5],
    "text": [2.45, 5.5],
    "audio": [1.24, 2.1],
    "opensmile": [3.1, 1.6],
    "flat": [1.05],
    "scan": [0.21],
    "visual": [1.01, 1.3],
    "faces": [1.32, 1.65, 4.8],
    "noise": [3.5, 3.1, 2.9],
    "openset": [7.1, 4.0],
    "distributed": [1.5, 1.1, 1.2, 0.9, 1],
}
REACHED = {
    "startup": [True],
    "training": [True, False],
    "memory": [True, False],
    "audio": [False, False],
    "opensmile": [True, False],
    "faces": [False, None, None],
    "noise": [True, True, False],
    "openset": [True, True],
    "distributed": [None, None, None, None, False],
}


@pytest.fixture
def table():
    from benchmarks.report_table import BENCHMARKS

    return {row.name: row for row in BENCHMARKS}


def outcome(name, output="", status=0, **other):
    from benchmarks.report_run import Outcome

    values = {"mode": "short", "seconds": 60.0, "when": "2024-01-01 10:00 UTC", "commit": "abc", "load": (1.0, 2.0)}
    return Outcome(name=name, output=output, status=status, **values | other)


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_read_out_of_the_output(name, table):
    found = [ratio.read(PRINTED[name]) for ratio in table[name].ratios]
    assert found == pytest.approx(FIGURES[name])
    if name in REACHED:
        pairs = zip(table[name].ratios, found, strict=True)
        assert [ratio.reached(value) for ratio, value in pairs] == REACHED[name]


def test_every_benchmark_with_ratios_is_tried_above(table):
    assert {name for name, row in table.items() if row.ratios} == FIGURES.keys()


def test_every_script_is_there_and_takes_its_flags(table):
    from benchmarks.report_run import FOLDER

    helps = {}
    for row in table.values():
        text = (FOLDER / row.script).read_text(encoding="utf-8")
        helps[row.name] = [flag for flag in row.arguments("short") if flag.startswith("--") and f'"{flag}"' not in text]
    assert not any(helps.values()), helps


def test_the_page_is_honest(table):
    from benchmarks.report_page import page

    outcomes = {
        "training": outcome("training", PRINTED["training"]),
        "noise": outcome("noise", "a\nTraceback\nOSError: no | ffmpeg\n\n", status=1),
        "faces": outcome("faces", "something else"),
        "openset": outcome("openset", PRINTED["openset"], load=(1.0, 1000.0)),
    }
    lines = page({"short": outcomes, "full": {}, "gpu": {}}, {"short": []}).splitlines()
    head = "| attention, population against the reference's way, 1,169 test samples"
    assert f"{head} | 6.00 times | 4 | yes | 2024-01-01 10:00 UTC, load 1.0 to 2.0, abc |" in lines
    assert any(line.startswith("| the same, 20,000 test samples | 7.50 times | 8 | **missed** |") for line in lines)
    failed = [line for line in lines if "**failed**: OSError: no / ffmpeg | 3 | **no** |" in line]
    assert len(failed) == 3
    assert sum("| not in the output | 1.7 | - |" in line for line in lines) == 1
    assert sum("| not measured |" in line for line in lines) >= 10
    assert "4 benchmarks, 4.0 minutes together." in lines
    assert sum("| yes (busy machine) | " in line for line in lines) == 2
    assert not any("Full mode" in line or "GPU mode" in line for line in lines)


def test_curves_are_read_and_drawn_small(tmp_path):
    from benchmarks.report_curves import draw, table

    scaling = "x\n    1250 samples: 30.00\n    2500 samples: 33.00\n       1 epochs:  30.00\n       2 epochs:  27.00\n"
    curves = "       3 features: 5.00\n       0 workers: 4.00\n       2 workers: 8.00\n"
    outcomes = {"scaling": outcome("scaling", scaling), "curves": outcome("curves", curves)}
    rows = table(outcomes)
    assert "| samples | µs per fold-epoch and sample | 1250: 30, 2500: 33 | 1.10 |" in rows
    assert "| workers | clips a second | 0: 4, 2: 8 | 2.00 |" in rows
    assert "| trials | µs per fold-epoch and sample | not measured | |" in rows
    pictures = draw(outcomes, tmp_path, "short")
    assert [path.name for path in pictures] == [
        f"short-{name}.png" for name in ("samples", "epochs", "features", "workers")
    ]
    assert all(1000 < path.stat().st_size < 60_000 for path in pictures)


@pytest.fixture
def runner(tmp_path, monkeypatch):
    """`benchmarks.report_run` with its folders in `tmp_path`."""
    import benchmarks.report_run as runner

    monkeypatch.setattr(runner, "FOLDER", tmp_path / "benchmarks")
    monkeypatch.setattr(runner, "RESULTS", tmp_path / "benchmarks" / "results")
    (tmp_path / "benchmarks").mkdir()
    return runner


def test_a_run_is_kept_and_found_again(runner, table, tmp_path):
    script = "import sys\nsys.stderr.write('bar 1\\rbar 2\\n')\nprint(__file__, sys.argv[1:])\nsys.exit(3)\n"
    (tmp_path / "benchmarks" / "try.py").write_text(script, encoding="utf-8")
    benchmark = dataclasses.replace(table["scan"], script="try.py")
    done = runner.run(benchmark, "short", "abc+")
    assert done.status == 3 and done.commit == "abc+" and done.name == "scan"
    assert done.output == "bar 2\n<repository>/benchmarks/try.py ['--part', 'scan', '--short']\n"
    assert done.last_line == "<repository>/benchmarks/try.py ['--part', 'scan', '--short']"
    runner.keep(done)
    runner.keep(dataclasses.replace(done, mode="full"))
    assert runner.kept("short") == {"scan": done}
    assert runner.kept("gpu") == {}


def test_ctrl_c_ends_the_benchmark_and_its_processes(tmp_path, table):
    """The benchmark and the process it has started write nothing any more."""
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    beat = (
        f"import time, pathlib\nwhile True:\n    pathlib.Path({str(tmp_path)!r}, 'NAME').write_text(str(time.time()))\n"
    )
    beat += "    time.sleep(0.02)\n"
    code = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {beat.replace('NAME', 'child')!r}])\n"
    (folder / "try.py").write_text(code + beat.replace("NAME", "parent"), encoding="utf-8")
    driver = (
        "import dataclasses, pathlib, benchmarks.report_run as runner\n"
        "from benchmarks.report_table import BENCHMARKS\n"
        f"runner.FOLDER = pathlib.Path({str(folder)!r})\n"
        "runner.run(dataclasses.replace(BENCHMARKS[0], script='try.py'), 'short', '')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", driver], cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not ((tmp_path / "child").exists() and (tmp_path / "parent").exists()):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) != 0
    before = [(tmp_path / name).stat().st_mtime_ns for name in ("child", "parent")]
    time.sleep(0.3)
    assert [(tmp_path / name).stat().st_mtime_ns for name in ("child", "parent")] == before


def test_without_a_gpu_the_gpu_mode_says_so():
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    command = [sys.executable, "-m", "benchmarks", "--gpu"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "no GPU: torch sees none here, so nothing was measured\n"
