"""Frame-feature models beyond the golden vectors: losses, masks, windows, and what clips may see of each other."""

import math

import numpy as np
import pytest
import torch

from toolkit.models import ModelConfig, build_model
from toolkit.models.mfm import mmd_to_normal
from toolkit.models.transformer import future_mask
from toolkit.utils.errors import UserError

DIMS = (5, 6, 7)  # audio, text, video
MEMORY = {"hidden_dim": 8, "mem_dim": 3, "dropout": 0.0}
HYPER = {
    "mfn": {**MEMORY, "window_dim": 2},
    "graph_mfn": MEMORY,
    "ef_lstm": {"hidden_dim": 8, "num_layers": 2, "dropout": 0.0},
    "mfm": {**MEMORY, "window_dim": 2, "lda_xl": 0.1, "lda_xa": 0.5, "lda_xv": 1.0, "lda_mmd": 10},
    "mctn": {"hidden_dim": 8, "dropout": 0.0, "loss_weight": 0.5, "teacher_forcing_ratio": 0.3},
    "mult": {"hidden_dim": 8, "layers": 2, "num_heads": 2, "conv1d_kernel_size": 3, "dropout": 0.0},
}


def _model(name, outputs=(6, 1), feat_type="frm_align", **more):
    torch.manual_seed(0)
    return build_model(name, ModelConfig(DIMS, *outputs, feat_type, {**HYPER[name], **more}))


def _batch(size=3, frames=(4, 4, 4)):
    generator = torch.Generator().manual_seed(1)
    return {
        key: torch.randn(size, count, width, generator=generator)
        for key, count, width in zip(("audios", "texts", "videos"), frames, DIMS, strict=True)
    }


@pytest.mark.parametrize("name", HYPER)
def test_without_dropout_training_and_evaluation_agree(name):
    model, batch = _model(name), _batch()
    trained, evaluated = model.train()(batch), model.eval()(batch)
    torch.testing.assert_close(trained.features, evaluated.features)
    torch.testing.assert_close(trained.emos, evaluated.emos)


@pytest.mark.parametrize("name", HYPER)
def test_dropout_follows_torch_seed(name):
    model, batch = _model(name, dropout=0.5).train(), _batch()
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        output = model(batch)
        drawn.append(torch.cat([output.features.flatten(), output.interloss.flatten()]))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.allclose(drawn[0], drawn[2])


@pytest.mark.parametrize("name", HYPER)
def test_no_outputs_means_no_heads(name):
    for outputs in ((6, 0), (0, 1)):
        model = _model(name, outputs)
        output = model(_batch())
        assert (output.emos.shape, output.vals.shape) == ((3, outputs[0]), (3, outputs[1]))
        heads = {key.split(".")[-2] for key in model.state_dict() if "fc_out_1" in key or "fc_out_2" in key}
        assert heads == {"fc_out_1" if outputs[0] else "fc_out_2"}


@pytest.mark.parametrize("name", sorted(set(HYPER) - {"mult"}))
def test_unequal_lengths_are_refused(name):
    with pytest.raises(UserError, match="4 audio, 5 text and 4 video frames; use --feat_type frm_align"):
        _model(name)(_batch(frames=(4, 5, 4)))


@pytest.mark.parametrize("window", [1, 3])
def test_mfn_window_equals_frame_by_frame(window):
    model = _model("mfn", window_dim=window)
    cells = [torch.randn(2, 5, 8) for _ in range(3)]
    states = torch.cat(cells, dim=2)
    attended = model.attend(cells, cells)
    for frame in range(5):
        seen = [states[:, past] if past >= 0 else torch.zeros(2, 24) for past in range(frame - window + 1, frame + 1)]
        joined = torch.cat(seen, dim=1)
        weights = torch.softmax(model.att1_fc2(torch.relu(model.att1_fc1(joined))), dim=1)
        torch.testing.assert_close(attended[:, frame], joined * weights)


def test_mmd_equals_the_double_loop():
    code = torch.linspace(-1, 1, 15).reshape(5, 3)
    torch.manual_seed(3)
    found = mmd_to_normal(code)
    torch.manual_seed(3)
    prior, code = torch.randn(5, 3).double().numpy(), code.double().numpy()

    def mean_kernel(left, right):
        return np.mean(
            [math.exp(-sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / 9) for x in left for y in right]
        )

    expected = mean_kernel(prior, prior) + mean_kernel(code, code) - 2 * mean_kernel(prior, code)
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_mfm_loss_is_the_weighted_sum():
    weights = {"lda_mmd": 0.0, "lda_xl": 0.0, "lda_xa": 0.0, "lda_xv": 0.0}

    def loss(**more):
        model = _model("mfm", **{**weights, **more})
        torch.manual_seed(5)
        return model(_batch()).interloss.item()

    parts = {key: loss(**{key: 1.0}) for key in weights}
    assert loss() == 0.0 and min(parts.values()) > 0.0
    assert loss(lda_mmd=3.0, lda_xl=0.5, lda_xa=0.25, lda_xv=2.0) == pytest.approx(
        3.0 * parts["lda_mmd"] + 0.5 * parts["lda_xl"] + 0.25 * parts["lda_xa"] + 2.0 * parts["lda_xv"], rel=1e-5
    )


def test_mctn_over_time_is_the_reference_with_axes_swapped():
    batch = _batch(size=3, frames=(4, 4, 4))
    swapped = {key: value.transpose(0, 1) for key, value in batch.items()}
    over_time, over_batch = _model("mctn", recurrence="time"), _model("mctn")
    torch.testing.assert_close(over_time(batch).interloss, over_batch(swapped).interloss)


def test_mctn_clips_influence_each_other_only_in_the_reference():
    batch = _batch()
    changed = {key: torch.cat([value[:2], value[2:] + 1.0]) for key, value in batch.items()}  # another third clip
    for recurrence, same in (("time", True), ("batch", False)):
        model = _model("mctn", recurrence=recurrence).eval()
        first_two = [model(each).features[:2] for each in (batch, changed)]
        assert torch.allclose(*first_two, atol=1e-6) is same


def test_mctn_teacher_forcing_ratio_has_no_effect():
    batch = _batch()
    losses = [_model("mctn", teacher_forcing_ratio=ratio)(batch).interloss for ratio in (0.0, 1.0)]
    assert torch.equal(*losses)


def test_mctn_unknown_recurrence():
    with pytest.raises(UserError, match="recurrence 'frames': unknown; it is batch or time"):
        _model("mctn", recurrence="frames")


@pytest.mark.parametrize(
    ("queries", "keys", "visible"),
    [(3, 3, [1, 2, 3]), (2, 4, [3, 4]), (4, 2, [2, 2, 2, 2]), (4, 3, [2, 3, 3, 3]), (1, 1, [1])],
)
def test_future_mask(queries, keys, visible):
    assert (~future_mask(queries, keys)).sum(dim=1).tolist() == visible


def test_mult_sees_the_future_only_as_far_as_lengths_differ():
    model = _model("mult").eval()
    x, source = torch.randn(4, 1, 8), torch.randn(5, 1, 8)
    later = torch.cat([source[:3], -source[3:]])
    before, after = (model.trans_l_with_a(x, each) for each in (source, later))
    changed = (before - after).abs().amax(dim=(1, 2)) > 1e-6
    assert changed.tolist() == [False, False, True, True]  # frame i sees source frames up to i + 1


def test_mult_takes_clips_shorter_than_its_convolution():
    model = _model("mult", feat_type="frm_unalign").eval()
    batch = _batch(size=2, frames=(1, 2, 9))
    padded = {
        key: torch.nn.functional.pad(value, (0, 0, 0, max(3 - value.shape[1], 0))) for key, value in batch.items()
    }
    torch.testing.assert_close(model(batch).features, model(padded).features)


def test_mult_heads_must_divide_the_width():
    with pytest.raises(UserError, match="hidden_dim 8 is not a multiple of num_heads 3"):
        _model("mult", num_heads=3)


def test_graph_mfn_trains_its_graph():
    model = _model("graph_mfn")
    networks = {name: value for name, value in model.named_parameters() if ".networks." in name}
    assert len(networks) == 16  # pairs and the triple: four sub-networks of two linear layers
    before = {name: value.detach().clone() for name, value in networks.items()}
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    model(_batch()).emos.square().sum().backward()
    optimiser.step()
    assert [name for name, value in networks.items() if torch.equal(value, before[name])] == []
