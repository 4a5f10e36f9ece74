"""The space is the paper's, and draws are uniform functions of the seed."""

from collections import Counter

import pytest

from toolkit.models import MODELS, ModelRow
from toolkit.train.hyperparams import draw, read_space
from toolkit.train.settings import stream_seed
from toolkit.utils.errors import UserError


def test_the_space_of_attention():
    assert read_space("attention") == {
        "hidden_dim": [64, 128, 256],
        "dropout": [0.2, 0.3, 0.4, 0.5],
        "grad_clip": [-1.0],
        "lr": [1e-3, 1e-4],
    }


def test_a_row_may_state_its_own_space(monkeypatch, tmp_path):
    row = ModelRow("toolkit.models.lf_dnn:LFDNN", ("utt",), {"hidden_dim": (32, 64), "dropout": 0.3, "lr": 0.01})
    monkeypatch.setitem(MODELS, "mine", row)
    assert read_space("mine") == {"grad_clip": [-1.0], "lr": [0.01], "hidden_dim": [32, 64], "dropout": [0.3]}
    (tmp_path / "h.yaml").write_text("hidden_dim: 64\n")
    assert read_space("mine", tmp_path / "h.yaml")["hidden_dim"] == [64]
    monkeypatch.setitem(MODELS, "mine", ModelRow(row.location, ("utt",), {"hidden_dim": 8}))
    assert read_space("mine") == {"grad_clip": [-1.0], "lr": [1e-3, 1e-4], "hidden_dim": [8]}


def test_every_model_has_a_space_with_learning_rate_and_clipping():
    for model in MODELS:
        assert {"lr", "grad_clip"} <= set(read_space(model))


def test_draws_are_uniform_functions_of_the_seed():
    space = read_space("attention")
    assert draw(space, 5) == draw(space, 5)
    counts = Counter(draw(space, seed)["hidden_dim"] for seed in range(600))
    assert set(counts) == {64, 128, 256}
    assert all(150 < count < 250 for count in counts.values())  # 200 expected, standard deviation 11.5


def test_streams_of_a_run_differ():
    seeds = {
        stream_seed(1, purpose, fold)
        for purpose in ("hyper", "folds", "weights", "order", "dropout")
        for fold in range(5)
    }
    assert len(seeds) == 25
    assert stream_seed(1, "order", 2) == stream_seed(1, "order", 2) != stream_seed(2, "order", 2)


@pytest.mark.parametrize("text", ["hidden_dim: 128\nlr: 0.01\n", "attention:\n  hidden_dim: 128\n  lr: 0.01\n"])
def test_hyper_path_fixes_keys(tmp_path, text):
    (tmp_path / "h.yaml").write_text(text)
    space = read_space("attention", tmp_path / "h.yaml")
    assert space["hidden_dim"] == [128] and space["lr"] == [0.01] and len(space["dropout"]) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [("hiden_dim: 128\n", "attention has no hiden_dim; it has hidden_dim"), ("a: [", "not a readable yaml")],
)
def test_a_bad_hyper_path_is_named(tmp_path, text, message):
    (tmp_path / "h.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        read_space("attention", tmp_path / "h.yaml")
    with pytest.raises(UserError, match="does not exist"):
        read_space("attention", tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hidden_dim: []\n", "hidden_dim has no value"),
        ("hidden_dim: 0\n", "hidden_dim 0 is not a whole number of at least 1"),
        ("hidden_dim: abc\n", "hidden_dim 'abc' is not a number"),
        ("hidden_dim: [[64]]\n", r"hidden_dim \[64\] is not a number"),
        ("dropout: 1.0\n", r"dropout 1.0 is not in \[0, 1\)"),
        ("dropout: {a: 1}\n", "is not a number"),
        ("lr: -1\n", "lr -1 is below 0"),
        ("grad_clip: -0.5\n", "grad_clip -0.5 is neither -1"),
    ],
)
def test_impossible_values_are_named(tmp_path, text, message):
    (tmp_path / "h.yaml").write_text(text)
    with pytest.raises(UserError, match=f"h.yaml: {message}" if "{" not in text else message):
        read_space("attention", tmp_path / "h.yaml")


def test_mctn_can_be_told_its_recurrence(tmp_path):
    (tmp_path / "h.yaml").write_text("recurrence: time\n")
    with pytest.raises(UserError, match="attention has no recurrence"):
        read_space("attention", tmp_path / "h.yaml")
    assert read_space("mctn", tmp_path / "h.yaml")["recurrence"] == ["time"]
