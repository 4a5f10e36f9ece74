"""Wrappings of released checkpoints, on a tiny network; files that are refused."""

import argparse
import os
import pickle
import re
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

from feature_extraction.visual.checkpoint_place import CheckpointPlace
from feature_extraction.visual.checkpoint_reader import load_network, plain_weights
from toolkit.utils.errors import UserError


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.bn = nn.BatchNorm2d(4)


@pytest.fixture
def weights():
    torch.manual_seed(0)
    return {key: torch.randn(value.shape) for key, value in Tiny().state_dict().items() if value.ndim}


def assert_loaded(network, weights):
    state = network.state_dict()
    assert all(torch.equal(state[key], value) for key, value in weights.items())
    assert not network.training and not any(parameter.is_meta for parameter in network.parameters())
    assert state["bn.num_batches_tracked"] == 0


@pytest.mark.parametrize(
    "wrap",
    [
        lambda w: w,
        lambda w: {"state_dict": w, "epoch": 3},
        lambda w: {"model": w, "optimizer": {"state": {}}, "args": argparse.Namespace(lr=0.1)},
        lambda w: {"module": w, "global_step": np.float64(3.5)},
        lambda w: {"state_dict": {f"module.{k}": v for k, v in w.items()}},
        lambda w: {"model": {f"backbone.{k}": v for k, v in w.items()}},
        lambda w: {"model": {**{f"encoder.{k}": v for k, v in w.items()}, "decoder.x": torch.ones(2)}},
        lambda w: {f"module.encoder.{k}": v for k, v in w.items()} | {"module.head.weight": torch.ones(9)},
        lambda w: {**w, "head.bias": torch.ones(7)},
        lambda w: {key: value.double() for key, value in w.items()},
    ],
)
def test_wrappings(wrap, weights, tmp_path):
    torch.save(wrap(weights), tmp_path / "x.pth")
    assert_loaded(load_network(Tiny, tmp_path / "x.pth", ("decoder.", "head.")), weights)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_record_of_the_training_is_carried_along_but_not_run(zipped, weights, tmp_path, monkeypatch):
    """MA-Net's file: an object of a class of the training script, with numpy arrays, in torch's old or new format."""
    script = types.ModuleType("__main__")
    recorder = type("RecorderMeter", (), {"__module__": "__main__"})
    script.RecorderMeter = recorder
    meter = recorder()
    meter.epoch_losses = np.zeros((3, 2), np.float32) - 1
    content = {"state_dict": weights, "recorder": meter, "best_acc": torch.tensor(88.33)}
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "__main__", script)
        torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    assert_loaded(load_network(Tiny, tmp_path / "x.pth"), weights)


def test_counters_that_are_there_are_kept(weights, tmp_path):
    torch.save({**weights, "bn.num_batches_tracked": torch.tensor(7)}, tmp_path / "x.pth")
    assert load_network(Tiny, tmp_path / "x.pth").state_dict()["bn.num_batches_tracked"] == 7


def test_another_network_is_named_by_its_first_keys(weights, tmp_path):
    del weights["conv.bias"]
    weights["conv.weight"] = torch.ones(4, 3, 3, 3)
    weights["layer9.weight"] = torch.ones(1)
    torch.save({"state_dict": weights}, tmp_path / "other.pth")
    with pytest.raises(UserError) as caught:
        load_network(Tiny, tmp_path / "other.pth")
    message = str(caught.value)
    assert str(tmp_path / "other.pth") in message and "not the weights of Tiny" in message
    assert "conv.bias is missing" in message and "layer9.weight is unknown" in message
    assert "conv.weight has shape (4, 3, 3, 3) instead of (4, 3, 1, 1)" in message


def test_a_file_without_weights(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "x.pth")
    with pytest.raises(UserError, match="conv.weight is missing"):
        load_network(Tiny, tmp_path / "x.pth")
    (tmp_path / "y.pth").write_text("<html>quota exceeded</html>")
    with pytest.raises(UserError, match="y.pth: not a readable torch checkpoint"):
        load_network(Tiny, tmp_path / "y.pth")


def test_a_file_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "was here"),)

    for name, save in (
        ("x", torch.save),
        ("y", lambda content, path: path.write_bytes(pickle.dumps(content, protocol=2))),
    ):
        save({"state_dict": Evil()}, tmp_path / f"{name}.pth")
        with pytest.raises(
            UserError, match=rf"{name}.pth: holds {os.mkdir.__module__}.mkdir, which could run code; no"
        ):
            load_network(Tiny, tmp_path / f"{name}.pth")
    assert not (tmp_path / "was here").exists()


class Unknown:
    """A class of the program that wrote the file."""


def messages(path):
    with pytest.raises(UserError) as caught:
        load_network(Tiny, path)
    return str(caught.value)


def test_refused_files_are_explained_in_our_words(weights, tmp_path):
    path = tmp_path / "x.pth"
    for content, name in (
        ({"state_dict": weights, "log": Unknown()}, f"{__name__}.Unknown"),
        (nn.Linear(1, 1), "torch.nn.modules.linear.Linear"),
    ):
        torch.save(content, path)
        message = messages(path)
        assert message.startswith(f"{path}: holds {name}, which could run code; not opened: ")
        assert "weights_only" not in message and "\x1b" not in message and "succeed" not in message
    torch.jit.script(nn.Linear(1, 1)).save(str(path))
    assert messages(path).startswith(f"{path}: is a TorchScript program, which is code; not opened")
    path.write_bytes(b"")
    assert messages(path) == f"{path}: not a readable torch checkpoint of weights (0 bytes); download it again"
    path.write_text("<html>quota exceeded</html>")
    reason = "27 bytes; Unsupported operand 60"
    assert messages(path) == f"{path}: not a readable torch checkpoint of weights ({reason}); download it again"


@pytest.mark.parametrize("names", [["state_dict"], ["model", "state_dict"], ["module", "model", "state_dict"]])
def test_a_checkpoint_that_holds_itself_is_refused(names, tmp_path):
    content = inner = {"epoch": 1}
    for name in names[:-1]:
        inner[name] = {}
        inner = inner[name]
    inner[names[-1]] = content
    torch.save(content, tmp_path / "x.pth")
    assert "x.pth: not a checkpoint of weights: one of its entries holds itself" in messages(tmp_path / "x.pth")


def test_what_is_beside_the_weights_can_be_checked(weights, tmp_path):
    torch.save({"state_dict": weights, "epoch": 3}, tmp_path / "x.pth")
    seen = []
    load_network(Tiny, tmp_path / "x.pth", check=lambda content: seen.append(content["epoch"]))
    assert seen == [3]


def test_only_a_prefix_of_all_names_is_taken_off():
    content = {"encoder.a": 1, "b": 2}
    assert plain_weights(content) == content
    assert plain_weights({"encoder.a": 1, "encoder.encoder.b": 2}) == {"a": 1, "encoder.b": 2}
    assert plain_weights({"module.a": 1, "module.fc.b": 2}, ("fc.",)) == {"a": 1}


def test_places(tmp_path):
    place = CheckpointPlace("net", "net*.pth", "net.pth of example.org")
    with pytest.raises(UserError) as caught:
        place.find(tools=tmp_path)
    message = str(caught.value)
    assert f"{tmp_path / 'net'} holds no net*.pth; put it there" in message  # a pattern is no path
    assert "example.org" in message and "--checkpoint" in message
    (tmp_path / "net").mkdir()
    for name in ("net [1].pth", "net2.pth"):
        (tmp_path / "net" / name).touch()
    with pytest.raises(UserError, match=r"several checkpoints \(net \[1\].pth, net2.pth\)"):
        place.find(tools=tmp_path)
    (tmp_path / "net" / "net2.pth").unlink()
    assert place.find(tools=tmp_path) == tmp_path / "net" / "net [1].pth"
    assert place.find(tmp_path / "net" / "net [1].pth") == tmp_path / "net" / "net [1].pth"
    with pytest.raises(UserError, match="gone.pth does not exist; the original: net.pth of example.org"):
        place.find(tmp_path / "gone.pth")
    with pytest.raises(UserError, match="net is a folder; --checkpoint takes the file; the original"):
        place.find(tmp_path / "net")
    with pytest.raises(UserError, match=re.escape(f"{tmp_path / 'x' / 'one.pth'} does not exist; put it there")):
        CheckpointPlace("x", "one.pth", "example.org").find(tools=tmp_path)
