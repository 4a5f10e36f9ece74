"""model.json of a saved model, damaged in every way a reviewer thought of: named, with the fix, never a traceback."""

import argparse
import json
import os

import pytest
from safetensors.torch import save_file

from toolkit.models import ModelConfig, build_model
from toolkit.train import saved_model
from toolkit.utils.errors import UserError

HYPER = {"hidden_dim": 4, "dropout": 0.2, "grad_clip": -1.0, "lr": 1e-3}
GOOD = {
    "format": 1,
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
    "args": {"data_root": None},
}
OPTIONAL = ("lengths", "train_names", "args")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("saved")
    save_file(
        build_model("attention", ModelConfig((2, 3, 2), 2, 0, "utt", HYPER)).state_dict(), place / "fold1.safetensors"
    )
    return place


def load(folder, content):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / "model.json").write_bytes(data)
    return saved_model.load(folder)


def test_what_is_right_is_loaded(folder):
    assert len(load(folder, GOOD).models) == 1
    old = {field: value for field, value in GOOD.items() if field not in OPTIONAL}
    assert load(folder, old).description == old


@pytest.mark.parametrize("field", [field for field in GOOD if field not in ("format", *OPTIONAL)])
def test_a_missing_field(folder, field):
    with pytest.raises(UserError) as caught:
        load(folder, {key: value for key, value in GOOD.items() if key != field})
    reason = f"the field {field} is missing"
    assert str(caught.value) == f"{folder / 'model.json'}: damaged ({reason}): train again with --savemodel"


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("features", [1, 2, 3], "features is [1, 2, 3], not a list of names of feature folders"),
        ("features", ["../../x-UTT", "y", "z"], 'features is ["../../x-UTT", "y", "z"], not a list'),
        ("features", ["a-UTT", "b-UTT"], "2 features for 3 inputs (audios, texts, videos)"),
        ("features", "abc", 'features is "abc", not a list'),
        ("keys", None, "keys is null, not audios, texts, videos, or feat0, feat1, ..."),
        ("keys", ["audios", "texts", "x"], 'keys is ["audios", "texts", "x"], not audios'),
        ("keys", ["feat0", "feat2"], "keys is"),
        ("folds", 0, "folds is 0, not a whole number from 1 on"),
        ("folds", -1, "folds is -1, not a whole number"),
        ("folds", "5", 'folds is "5", not a whole number'),
        ("folds", True, "folds is true, not a whole number"),
        ("model", "nope", 'model is "nope", not one of attention, '),
        ("model", ["attention"], 'model is ["attention"], not one of'),
        ("hyper", {}, "no attention can be built: KeyError: "),
        ("hyper", None, "hyper is null, not the model's settings by name"),
        ("hyper", HYPER | {"hidden_dim": -5}, "no attention can be built: RuntimeError: "),
        ("hyper", HYPER | {"hidden_dim": "x"}, "no attention can be built: ValueError: "),
        ("outputs", [2], "outputs is [2], not [emotions, 0 or 1 valence]"),
        ("outputs", 2, "outputs is 2, not [emotions"),
        ("outputs", [2, 2], "outputs is [2, 2], not [emotions"),
        ("outputs", [0, 0], "outputs is [0, 0], not [emotions"),
        ("outputs", [3, 0], "3 outputs but 2 emotions"),
        ("emotions", "ab", 'emotions is "ab", not a list of different labels'),
        ("emotions", ["a", "a"], 'emotions is ["a", "a"], not a list of different labels'),
        ("feat_type", "zzz", 'feat_type is "zzz", not one of utt, frm_align, frm_unalign'),
        ("feat_dims", [2, 3], "2 feat_dims for 3 inputs"),
        ("feat_dims", [-1, 3, 2], "feat_dims is [-1, 3, 2], not a list of widths from 1 on"),
        ("feat_dims", [2, 10**12, 2], "no attention can be built: RuntimeError: "),
        ("feat_scale", None, "feat_scale is null, not a whole number from 1 on"),
        ("train_names", None, "train_names is null, not a list of names"),
        ("lengths", None, "lengths is null, not a list of lengths"),
        ("lengths", [0, 0], "2 lengths for 3 inputs"),
        ("args", None, "args is null, not the arguments by name"),
        ("args", [1], "args is [1], not the arguments"),
    ],
)
def test_a_wrong_field(folder, field, value, reason):
    with pytest.raises(UserError) as caught:
        load(folder, GOOD | {field: value})
    message = str(caught.value)
    assert message.startswith(f"{folder / 'model.json'}: damaged ({reason}")
    assert message.endswith("): train again with --savemodel") and "\n" not in message and len(message) < 700


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b'{"format": 1', "Expecting"),
        (b'{"format": "\xe9"}', "'utf-8' codec can't decode byte 0xe9"),
        (b"[" * 100_000, "maximum recursion depth exceeded"),
        ([1], "it holds list, not fields"),
        (None, "it holds NoneType, not fields"),
    ],
)
def test_no_description_at_all(folder, content, reason):
    with pytest.raises(UserError) as caught:
        load(folder, content)
    assert str(caught.value).startswith(f"{folder / 'model.json'}: damaged ({reason}")


@pytest.mark.parametrize(("written", "shown"), [(b'{"format": NaN}', "nan"), (b'{"format": 9}', "9"), (b"{}", "None")])
def test_another_format(folder, written, shown):
    with pytest.raises(UserError, match=f"format {shown}, this toolkit reads 1; train again with --savemodel"):
        load(folder, written)


def test_folds_without_weights_are_named_at_once(folder):
    with pytest.raises(
        UserError,
        match="model.json: says that there are 1000000000 folds, but fold2.safetensors is missing; train again",
    ):
        load(folder, GOOD | {"folds": 10**9})


@pytest.mark.parametrize("given", ["data", "~/data", None])
def test_the_data_root_is_kept_for_calls_from_any_folder(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    kept = saved_model._absolute_root(argparse.Namespace(data_root=given))
    assert kept == ({} if given is None else {"data_root": os.path.join(tmp_path, "data")})
