"""Claims: who trains which run when several processes work on one search."""

import json
import os
import signal
import subprocess
import sys
import time

from toolkit.train import leaderboard
from toolkit.train.arguments import parse
from toolkit.train.claims import Claims
from toolkit.train.run import train

HOLD = """
import sys, time
from pathlib import Path
from toolkit.train.claims import Claims
claims = Claims(Path(sys.argv[1]))
print(claims.take(sys.argv[2]), flush=True)
time.sleep(600)
"""


def _holder(folder, identity):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder), identity], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == "True"
    return process


def test_a_claim_is_refused_to_others_and_freed_by_the_end_of_its_process(tmp_path):
    holder = _holder(tmp_path, "00000000000000a1")
    try:
        with Claims(tmp_path) as claims:
            assert not claims.take("00000000000000a1")
            assert claims.take("00000000000000b1")
            holder.send_signal(signal.SIGKILL)
            assert claims.take("00000000000000a1", wait=True)
    finally:
        holder.kill()
        holder.wait()


def test_a_claim_given_back_is_free(tmp_path):
    with Claims(tmp_path) as claims:
        assert claims.take("ffffffffffffffff")
        claims.give_back("ffffffffffffffff")
        holder = _holder(tmp_path, "ffffffffffffffff")
        assert not claims.take("ffffffffffffffff")
        holder.kill()
        holder.wait()


def test_where_nothing_can_be_locked_every_claim_is_granted(tmp_path):
    with Claims(tmp_path / "missing") as claims:
        assert claims.take("0123456789abcdef") and claims.take("0123456789abcdef", wait=True)
        claims.give_back("0123456789abcdef")


def test_two_searches_at_once_train_every_run_once(release_args, tmp_path):
    """Two processes with the same command: between them each run is trained once, and both end with the whole table."""
    flags = release_args(trials=6, repeat_best=2, resume=True, epochs=30, memory_gb=1e-6, trainer="population")
    command = [sys.executable, "main-release.py", *flags]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    printed = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    rows = leaderboard.read(tmp_path / "saved-trimodal")
    assert sorted((row["phase"], int(row["trial"])) for row in rows) == [
        *(("repeat", trial) for trial in (6, 7)),
        *(("search", trial) for trial in range(6)),
    ]
    last = [[line for line in text.splitlines() if line.startswith(("best run", "  2 runs"))] for text in printed]
    assert last[0] == last[1] and len(last[0]) >= 2


def test_a_run_whose_owner_was_killed_is_taken_over(release_args, tmp_path):
    """While another process holds the claim the search waits; when that one dies without a row, it trains the run."""
    flags = release_args(trials=2, resume=True)
    assert train(parse(flags, None)) == 0
    folder = tmp_path / "saved-trimodal"
    rows = leaderboard.read(folder)
    identity = next(row["run_id"] for row in rows if row["trial"] == "1")
    path = folder / leaderboard.FILE_NAME
    path.write_text("".join(line for line in path.read_text().splitlines(True) if identity not in line))
    holder = _holder(folder, identity)
    search = subprocess.Popen([sys.executable, "main-release.py", *flags], stdout=subprocess.PIPE, text=True)
    for line in search.stdout:
        if "another process" in line:
            break
    else:
        raise AssertionError("the search did not say that it waits")
    time.sleep(0.2)
    assert len(leaderboard.read(folder)) == 1
    holder.kill()
    holder.wait()
    assert search.wait(60) == 0
    after = {row["trial"]: row for row in leaderboard.read(folder)}
    assert json.loads(after["1"]["fold_f1"]) == json.loads(next(row for row in rows if row["trial"] == "1")["fold_f1"])
