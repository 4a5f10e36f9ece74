"""``model.json`` of a saved model, with any content."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from toolkit.models import ModelConfig, build_model
from toolkit.train.saved_model import FORMAT, SavedModel, load

HYPER = {"hidden_dim": 4, "dropout": 0.2, "grad_clip": -1.0, "lr": 1e-3}
GOOD = {
    "format": FORMAT,
    "model": "attention",
    "feat_type": "utt",
    "feat_scale": 1,
    "features": ["a-UTT", "t-UTT", "v-UTT"],
    "keys": ["audios", "texts", "videos"],
    "feat_dims": [2, 3, 2],
    "outputs": [2, 0],
    "emotions": ["happy", "sad"],
    "hyper": HYPER,
    "folds": 1,
    "lengths": [0, 0, 0],
    "train_names": ["a"],
}
SIMPLE = (
    st.none() | st.booleans() | st.integers(-2, 5) | st.floats() | st.sampled_from(["", "a", "utt", "frm_align", "tfn"])
)
VALUES = st.recursive(
    SIMPLE, lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text("ab"), part, max_size=2), max_leaves=6
)


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    """A saved attention model with one fold."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("run") / "a model"
    folder.mkdir()
    model = build_model("attention", ModelConfig((2, 3, 2), 2, 0, "utt", HYPER))
    save_file(model.state_dict(), folder / "fold1.safetensors")
    return folder


def read(path):
    return load(path.parent)


def check(found):
    assert isinstance(found, (SavedModel, Exception))
    if isinstance(found, SavedModel):
        assert len(found.models) == 1 and len(found.description["keys"]) == len(found.description["feat_dims"]) == 3


@given(st.sampled_from([*GOOD, "hidden_dim", "dropout"]), VALUES)
@example("folds", 0)
@example("folds", 10**9)
@example("feat_dims", [2, -3, 2])
@example("feat_dims", [2, 10**12, 2])
@example("outputs", [-2, 0])
@example("emotions", 3)
@example("keys", None)
@example("hidden_dim", "4")
def test_one_odd_value_is_a_model_or_an_error(model_folder, outcome, field, value):
    content = GOOD | ({"hyper": HYPER | {field: value}} if field in HYPER else {field: value})
    path = model_folder / "model.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    check(outcome(read, path))


@given(st.sampled_from(sorted(GOOD)))
def test_a_field_less_is_a_model_or_an_error(model_folder, outcome, field):
    path = model_folder / "model.json"
    path.write_text(json.dumps({key: value for key, value in GOOD.items() if key != field}), encoding="utf-8")
    check(outcome(read, path))


@given(st.binary(max_size=40) | VALUES.map(json.dumps).map(str.encode))
@example(b"[" * 100_000)
@example(b"\xff")
@example(b"[]")
def test_any_bytes_are_a_model_or_an_error(model_folder, outcome, data):
    path = model_folder / "model.json"
    path.write_bytes(data)
    assert isinstance(outcome(read, path), Exception)


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), min_size=1, max_size=3), st.integers(0, 2000))
def test_damaged_weights_are_a_model_or_an_error(model_folder, outcome, changes, cut):
    (model_folder / "model.json").write_text(json.dumps(GOOD), encoding="utf-8")
    path = model_folder / "fold1.safetensors"
    whole = path.read_bytes()
    data = bytearray(whole)
    for place, value in changes:
        data[place] = value
    path.write_bytes(bytes(data[:cut] if cut % 2 else data))
    try:
        check(outcome(lambda place: load(place.parent), path))
    finally:
        path.write_bytes(whole)
