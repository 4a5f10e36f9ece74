"""The search: draws, grid, repeats, continuing; the same table whatever was interrupted."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from toolkit.train import engines, leaderboard, session
from toolkit.train.arguments import parse
from toolkit.train.hyperparams import draw, read_space
from toolkit.train.run import train
from toolkit.train.search import distinct_points, grid_trials, random_trials, space_size, stacks
from toolkit.train.settings import stream_seed

COMPARED = ("status", "phase", "hyper", "fold_f1", "fold_acc", "best_epochs", "f1", "acc")


def _run(arguments):
    return train(parse(arguments, None))


def _table(folder):
    return {(row["trial"], row["seed"]): [row[column] for column in COMPARED] for row in leaderboard.read(folder)}


def test_the_grid_of_attention_has_24_points():
    space = read_space("attention")
    trials = grid_trials("attention", space, seed=100)
    assert len(trials) == space_size(space) == distinct_points(trials) == 24
    points = {(t.hyper["hidden_dim"], t.hyper["dropout"], t.hyper["lr"]) for t in trials}
    assert points == set(itertools.product((64, 128, 256), (0.2, 0.3, 0.4, 0.5), (1e-3, 1e-4)))
    assert [t.seed for t in trials] == list(range(100, 124))


def test_random_trials_are_single_runs_with_the_following_seeds():
    space = read_space("attention")
    trials = random_trials("attention", space, 50, seed=7)
    assert [trial.hyper for trial in trials] == [draw(space, stream_seed(7 + n, "hyper")) for n in range(50)]
    assert distinct_points(trials) == len({json.dumps(trial.hyper) for trial in trials}) < 24


def test_stacks_hold_one_shape_each_and_every_trial_once():
    trials = random_trials("attention", read_space("attention"), 50, seed=7)
    cut = list(stacks(trials, 8))
    assert sorted(trial.number for group in cut for trial in group) == list(range(50))
    assert all(len({trial.hyper["hidden_dim"] for trial in group}) == 1 and len(group) <= 8 for group in cut)


def test_grid_search_runs_every_point(release_args, tmp_path, capsys):
    _run(release_args(search="grid", epochs=1))
    rows = leaderboard.read_ok(tmp_path / "saved-trimodal")
    assert len({row["hyper"] for row in rows}) == len(rows) == 24
    expected = distinct_points(random_trials("attention", read_space("attention"), 50, 7))
    assert f"grid: 24 points; 50 random draws from seed 7 would cover {expected}" in capsys.readouterr().out


def test_repeat_best_reports_mean_and_standard_deviation(release_args, tmp_path, capsys):
    _run(release_args(trials=3, repeat_best=4))
    rows = leaderboard.read_ok(tmp_path / "saved-trimodal")
    search = [row for row in rows if row["phase"] == "search"]
    repeats = [row for row in rows if row["phase"] == "repeat"]
    best = max(search, key=lambda row: (float(row["f1"]), -int(row["trial"])))
    assert len(search) == 3 and len(repeats) == 4
    assert {row["hyper"] for row in repeats} == {best["hyper"]}
    assert [row["seed"] for row in repeats] == ["10", "11", "12", "13"]
    f1 = np.array([float(row["f1"]) for row in repeats])
    assert f"4 runs with the best hyper-parameters: f1 {f1.mean():.4f} +- {f1.std():.4f}" in capsys.readouterr().out


@pytest.mark.parametrize("trainer", ["population", "loop"])
def test_an_interrupted_search_ends_in_the_same_table(release_args, tmp_path, monkeypatch, trainer):
    plan = {"trials": 5, "repeat_best": 2, "trainer": trainer, "resume": True}
    _run(release_args(save_root=tmp_path / "whole", **plan))
    real = leaderboard.append
    for stop_after in (1, 2, 1):  # three interruptions, each after so many further rows
        appended = itertools.count(1)

        def append(folder, row, appended=appended, stop_after=stop_after):
            real(folder, row)
            if next(appended) == stop_after:
                raise KeyboardInterrupt

        monkeypatch.setattr(session.leaderboard, "append", append)
        with pytest.raises(KeyboardInterrupt):
            _run(release_args(**plan))
    monkeypatch.setattr(session.leaderboard, "append", real)
    _run(release_args(**plan))
    assert _table(tmp_path / "saved-trimodal") == _table(tmp_path / "whole-trimodal")
    assert len(leaderboard.read(tmp_path / "saved-trimodal")) == 7


def test_memory_changes_the_stacks_but_not_the_table(release_args, tmp_path):
    _run(release_args(trials=4, save_root=tmp_path / "a"))
    _run(release_args(trials=4, save_root=tmp_path / "b", memory_gb=0.000001))  # one member at a time
    first, second = _table(tmp_path / "a-trimodal"), _table(tmp_path / "b-trimodal")
    for key, row in first.items():
        assert np.allclose(json.loads(row[3]), json.loads(second[key][3]), atol=1e-6)


def test_two_searches_into_one_folder_at_once(release_args, tmp_path):
    script = str(Path(__file__).resolve().parents[3] / "main-release.py")
    running = [
        subprocess.Popen([sys.executable, script, *release_args(seed=seed, trials=3)], stdout=subprocess.DEVNULL)
        for seed in (100, 200)
    ]
    assert [process.wait() for process in running] == [0, 0]
    rows = leaderboard.read_ok(tmp_path / "saved-trimodal")
    assert sorted(int(row["seed"]) for row in rows) == [100, 101, 102, 200, 201, 202]
    files = [path for row in rows for path in json.loads(row["files"]).values()]
    assert len(set(files)) == 18 and all((tmp_path / "saved-trimodal" / path).exists() for path in files)


def test_a_diverging_trial_is_recorded_and_the_search_goes_on(release_args, tmp_path, capsys):
    (tmp_path / "h.yaml").write_text("lr: [1.0e+30, 1.0e-3]\n")
    status = _run(release_args(search="grid", hyper_path=tmp_path / "h.yaml", epochs=2))
    rows = leaderboard.read(tmp_path / "saved-trimodal")
    failed = [row for row in rows if row["status"] == "failed"]
    assert status == 1 and len(rows) == 24 and len(failed) == 12
    assert all(json.loads(row["hyper"])["lr"] == 1e30 and "loss became" in row["note"] for row in failed)
    assert "12 runs failed" in capsys.readouterr().out
    assert _run(release_args(search="grid", hyper_path=tmp_path / "h.yaml", epochs=2, resume=True)) == 1
    assert len(leaderboard.read(tmp_path / "saved-trimodal")) == 24  # failures are results: not tried again


def test_a_full_disk_names_the_file_and_keeps_the_leaderboard(release_args, tmp_path, monkeypatch):
    from toolkit.train import results
    from toolkit.utils.errors import UserError

    _run(release_args())
    before = (tmp_path / "saved-trimodal" / "leaderboard.csv").read_bytes()

    def full(path, write):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results.atomic, "write_with", full)
    with pytest.raises(
        UserError, match=r"test1_features.*npz: No space left on device; continue with --seed 9 --resume"
    ):
        _run(release_args(seed=9))
    assert (tmp_path / "saved-trimodal" / "leaderboard.csv").read_bytes() == before


def test_long_feature_lists_fit_into_a_file_name(release_args, tmp_path):
    import argparse

    from toolkit.train.results import file_suffix

    args = argparse.Namespace(**vars(parse(release_args(), None)) | {"fusion_topn": 6, "fusion_modality": "AVT"})
    features = [f"chinese-some-quite-long-model-name-{number}-large-UTT" for number in range(18)]
    suffix = file_suffix(args, features)
    longest = f"submission_test1_{suffix}_f1:0.1234_acc:0.1234_val:0.1234_1795361755.509872.npz"
    assert suffix.startswith("features:18features-") and len(longest) <= 255
    assert suffix != file_suffix(args, features[::-1])
    assert file_suffix(args, ["a-UTT", "b-UTT"]).startswith(
        "features:a-UTT+b-UTT_dataset:MER2024_model:attention+utt+None_"
    )


@pytest.mark.parametrize("trainer", ["population", "loop"])
def test_no_shuffle_is_another_run_and_keeps_the_order(release_args, tmp_path, trainer):
    for name, changes in (("a", {"no_shuffle": True}), ("b", {"no_shuffle": True}), ("c", {})):
        _run(release_args(save_root=tmp_path / name, trainer=trainer, **changes))
    a, b, c = (leaderboard.read_ok(tmp_path / f"{name}-trimodal")[0] for name in "abc")
    assert a["run_id"] == b["run_id"] != c["run_id"]
    assert a["fold_f1"] == b["fold_f1"]


@pytest.mark.parametrize("trainer", ["population", "loop"])
def test_weights_that_break_in_the_last_step_fail_the_trial(release_args, tmp_path, trainer):
    status = _run(release_args(lr=1e30, epochs=1, batch_size=64, trainer=trainer))
    row = leaderboard.read(tmp_path / "saved-trimodal")[0]
    assert status == 1 and row["status"] == "failed" and "no epoch gave finite validation outputs" in row["note"]


def test_a_better_epoch_setting_saves_its_own_model(release_args, tmp_path):
    from toolkit.train import saved_model

    _run(release_args(epochs=1, savemodel=True))
    _run(release_args(epochs=3))
    _run(release_args(epochs=3, savemodel=True, resume=True))
    folders = sorted((tmp_path / "saved-trimodal" / "model").iterdir())
    epochs = sorted(saved_model.load(folder).description["args"]["epochs"] for folder in folders)
    assert epochs == [1, 3]


def test_only_missing_trials_are_trained(release_args, tmp_path, monkeypatch):
    _run(release_args(trials=3, resume=True))
    trained = []
    real = engines.run_group

    def counted(group, *rest):
        trained.extend(trial.number for trial in group)
        return real(group, *rest)

    monkeypatch.setattr(engines, "run_group", counted)
    _run(release_args(trials=5, resume=True))
    assert sorted(trained) == [3, 4]
