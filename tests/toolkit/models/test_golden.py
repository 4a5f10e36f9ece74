"""Fusion models against the reference's own numbers (tests/golden/fusion.*), and the contract over the whole table."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from toolkit.models import MODELS, ModelConfig, build_model, check_model
from toolkit.utils.errors import UserError

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
CASES = json.loads((GOLDEN / "fusion.json").read_text())
KNOWN = [case for case, content in CASES.items() if content["model"] in MODELS]
# Parameters of the reference that its forward pass never uses, so that they can never receive a gradient.
UNUSED = {
    # MMIM's entropy term needs the sign of a sentiment label; the reference leaves the term out but keeps its layer.
    "mmim": {f"{bound}.entropy_prj.0.{part}" for bound in ("mi_tv", "mi_ta") for part in ("weight", "bias")},
    # MFM reads the summary of its memory fusion network, not that network's own outputs.
    "mfm": {
        f"mfn_encoder.{layer}.{part}"
        for layer in ("out_fc1", "out_fc2", "fc_out_1", "fc_out_2")
        for part in ("weight", "bias")
    },
    # MCTN's decoders start from a zero state at every step, so these only ever multiply zeros.
    "mctn": {f"decoder{index}.rnn.weight_hh_l0{way}" for index in (1, 2) for way in ("", "_reverse")},
}
# MCTN as in the reference lets the clips of a batch influence each other; over time it does not.
INDEPENDENT_CLIPS = {"mctn": {"recurrence": "time"}}


def _fill_module():
    spec = importlib.util.spec_from_file_location("golden_fill", GOLDEN / "fill.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FILL = _fill_module()


def _model_and_batch(case, **more):
    content = CASES[case]
    args = {**content["args"], **more}
    widths = args.get("feat_dims") or [args["audio_dim"], args["text_dim"], args["video_dim"]]
    config = ModelConfig(tuple(widths), args["output_dim1"], args["output_dim2"], content["feat_type"], args)
    batch = {key: torch.from_numpy(FILL.inputs(key, shape)) for key, shape in content["batch"].items()}
    return build_model(content["model"], config), batch


@pytest.mark.parametrize("case", KNOWN)
def test_equals_the_reference(case):
    model, batch = _model_and_batch(case)
    shapes = {**CASES[case]["state"], **CASES[case].get("unregistered_state", {})}  # graph_mfn: ours are registered
    assert {key: list(value.shape) for key, value in model.state_dict().items()} == shapes
    FILL.load_filled(model)
    with torch.no_grad():
        output = model(batch)
    with np.load(GOLDEN / "fusion.npz") as expected:
        found = {"features": output.features, "emos_out": output.emos, "vals_out": output.vals}
        for key, value in found.items():
            wanted = expected[f"{case}/{key}"]
            assert value.shape == wanted.shape
            assert np.abs(value.numpy() - wanted).max() <= 1e-4 * np.abs(wanted).max(), key
        if CASES[case]["model"] != "mfm":  # its loss contains a random draw
            np.testing.assert_allclose(output.interloss.numpy(), expected[f"{case}/interloss"], atol=1e-4)


@pytest.mark.parametrize("case", KNOWN)
def test_a_batch_of_one_gives_the_same_row(case):
    model, batch = _model_and_batch(case, **INDEPENDENT_CLIPS.get(CASES[case]["model"], {}))
    FILL.load_filled(model)
    with torch.no_grad():
        whole = model(batch)
        alone = model({key: value[:1] for key, value in batch.items()})
    assert alone.emos.shape == (1, whole.emos.shape[1])
    torch.testing.assert_close(alone.emos, whole.emos[:1], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(alone.features, whole.features[:1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", KNOWN)
def test_every_parameter_receives_a_gradient(case):
    model, batch = _model_and_batch(case)
    FILL.load_filled(model).train()
    torch.manual_seed(0)
    output = model(batch)
    (output.emos.square().sum() + output.vals.square().sum() + output.interloss).backward()
    without = {name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()}
    assert without == UNUSED.get(CASES[case]["model"], set())


def test_no_outputs_means_no_heads():
    config = ModelConfig((4, 5, 6), 6, 0, "utt", {"hidden_dim": 8, "dropout": 0.0})
    model = build_model("attention", config)
    output = model({"audios": torch.ones(2, 4), "texts": torch.ones(2, 5), "videos": torch.ones(2, 6)})
    assert output.emos.shape == (2, 6) and output.vals.shape == (2, 0)
    assert not any(name.startswith("fc_out_2") for name in model.state_dict())


def test_unknown_model_lists_the_known():
    with pytest.raises(UserError, match="known models: attention"):
        check_model("attentoin")
