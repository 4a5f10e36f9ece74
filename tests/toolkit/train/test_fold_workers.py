"""Folds in worker processes: the same results as one after the other, whatever happens to a worker."""

import os
import signal
import time

import numpy as np
import pytest

from toolkit.train import fold_workers, leaderboard
from toolkit.train.arguments import parse
from toolkit.train.fold_workers import run_tasks
from toolkit.train.run import train


def _square(number, report):
    report(number / 10)
    return number * number, os.getpid()


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_every_task_once_with_its_epochs_reported(jobs):
    heard = []
    found = {task: result for task, result, _ in run_tasks(_square, [(n,) for n in range(7)], jobs, heard.append)}
    assert {task: result[0] for task, result in found.items()} == {n: n * n for n in range(7)}
    assert sorted(heard) == [n / 10 for n in range(7)]
    processes = {result[1] for result in found.values()}
    assert (processes == {os.getpid()}) if jobs == 1 else (os.getpid() not in processes and len(processes) <= jobs)


def test_a_loss_that_is_not_finite_is_a_result():
    def work(number, report):
        if number == 1:
            raise FloatingPointError("the training loss became nan in epoch 2")
        return number

    found = {task: result for task, result, _ in run_tasks(work, [(0,), (1,), (2,)], 2, lambda score: None)}
    assert found[0] == 0 and found[2] == 2 and str(found[1]) == "the training loss became nan in epoch 2"


def test_a_dead_worker_costs_only_time():
    parent = os.getpid()

    def work(number, report):
        if number == 2 and os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    found = {task: result for task, result, _ in run_tasks(work, [(n,) for n in range(5)], 2, lambda score: None)}
    assert found == {n: n for n in range(5)}


def test_other_errors_appear_in_this_process():
    def work(number, report):
        raise KeyError("labels")

    with pytest.raises(KeyError, match="labels"):
        list(run_tasks(work, [(0,), (1,)], 2, lambda score: None))


def test_workers_end_with_the_generator():
    def work(number, report):
        if number:
            time.sleep(600)
        return os.getpid()

    going = run_tasks(work, [(0,), (1,)], 2, lambda score: None)
    next(going)
    children = fold_workers.multiprocessing.active_children()
    going.close()
    assert children and not any(child.is_alive() for child in children)


@pytest.mark.parametrize("model", ["mfn", "mult"])
def test_results_do_not_depend_on_the_number_of_workers(release_args, tmp_path, model):
    hyper = tmp_path / "hyper.yaml"
    if model == "mult":
        hyper.write_text("lr: 1e-3\ngrad_clip: 0.8\nlayers: 2\ndropout: 0.1\nnum_heads: 8\nhidden_dim: 64\n"
                         "conv1d_kernel_size: 1\n")  # fmt: skip
    for jobs in (1, 3):
        flags = {"model": model, "feat_type": "frm_align", "epochs": 2, "trials": 2, "jobs": jobs}
        flags |= {
            f"{part}_feature": f"{stem}-FRA"
            for part, stem in zip(("audio", "text", "video"), ("aud", "txt", "vis"), strict=True)
        }
        flags |= {"hyper_path": hyper} if model == "mult" else {}
        assert train(parse(release_args(save_root=tmp_path / f"jobs{jobs}", **flags), None)) == 0
    one, three = (
        sorted(leaderboard.read_ok(tmp_path / f"jobs{jobs}-trimodal"), key=lambda row: row["trial"]) for jobs in (1, 3)
    )
    assert [row["fold_f1"] for row in one] == [row["fold_f1"] for row in three]
    assert [row["loss"] for row in one] == [row["loss"] for row in three]
    for left, right in zip(one, three, strict=True):
        for kind in ("cv", "test1"):
            first, second = (
                np.load(tmp_path / f"jobs{jobs}-trimodal" / _files(row)[kind], allow_pickle=False)["emo_probs"]
                for jobs, row in ((1, left), (3, right))
            )
            assert np.array_equal(first, second, equal_nan=True)


def _files(row):
    import json

    return json.loads(row["files"])


def test_jobs_and_threads_exclude_each_other(release_args):
    from toolkit.utils.errors import UserError

    with pytest.raises(UserError, match="--jobs 2 --threads 2"):
        parse(release_args(jobs=2, threads=2), None)
    with pytest.raises(UserError, match="--jobs 0: must be at least 1"):
        parse(release_args(jobs=0), None)
