"""Every model that takes ``utt`` features can be trained as a stack of members under `torch.func.vmap`.

In float64, so that only a real difference, not the order of a sum, exceeds the tolerance.
"""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state

from toolkit.models import MODELS, ModelConfig, build_model
from toolkit.models.dropout import Dropout

# Dropouts after the encoders: probability and mask shape, the batch first. LMF applies none in the reference.
FUSION_DROPOUTS = {
    "attention": {"attention_mlp.drop": (0.4, (4, 24))},
    "attention_topn": {"attention_mlp.drop": (0.4, (4, 24))},
    "lf_dnn": {"post_fusion_dropout": (0.4, (4, 24))},
    "lmf": {},
    "tfn": {"post_fusion_dropout": (0.4, (4, 9**3))},
    "mmim": {"fusion_prj.drop": (0.4, (4, 24))},
    "misa": {
        "transformer_encoder.layers.0.self_attn.dropout": (0.1, (4, 2, 6, 6)),
        "transformer_encoder.layers.0.dropout1": (0.1, (4, 6, 8)),
        "transformer_encoder.layers.0.dropout": (0.1, (4, 6, 2048)),
        "transformer_encoder.layers.0.dropout2": (0.1, (4, 6, 8)),
        "fusion.fusion_layer_1_dropout": (0.4, (4, 24)),
    },
}
UTT_MODELS = [name for name, row in MODELS.items() if "utt" in row.feat_types]
WIDTHS = (5, 6, 7)
BATCH, MEMBERS = 4, 3
# One row per member: they are not in the state dict, and a stack that used the first member's for all would fail.
LOSS_WEIGHTS = (
    {"alpha": 0.1, "beta": 0.2, "diff_weight": 0.1, "sim_weight": 0.2, "recon_weight": 0.3},
    {"alpha": 0.2, "beta": 0.0, "diff_weight": 0.0, "sim_weight": 0.1, "recon_weight": 0.2},
    {"alpha": 0.0, "beta": 0.1, "diff_weight": 0.2, "sim_weight": 0.0, "recon_weight": 0.1},
)


def _model(name, seed=0, dropout=0.4):
    hyper = {"hidden_dim": 8, "dropout": dropout, "rank": 3, "cpc_layers": 2, **LOSS_WEIGHTS[seed]}
    torch.manual_seed(seed)
    return build_model(name, ModelConfig(WIDTHS, 6, 1, "utt", hyper)).double()


def _batch(name, size=BATCH):
    keys = ("feat0", "feat1", "feat2") if name == "attention_topn" else ("audios", "texts", "videos")
    generator = torch.Generator().manual_seed(7)
    return {
        key: torch.randn(size, width, generator=generator, dtype=torch.float64)
        for key, width in zip(keys, WIDTHS, strict=True)
    }


def _dropouts(model):
    return {name: module for name, module in model.named_modules() if isinstance(module, Dropout)}


def _mask_shapes(model, batch):
    """Shape of what every dropout is given: ``{module name: shape}``."""
    shapes, probe = {}, copy.deepcopy(model)
    for name, module in _dropouts(probe).items():
        module.register_forward_pre_hook(lambda _, inputs, name=name: shapes.__setitem__(name, inputs[0].shape))
    probe(batch)
    return shapes


def _masks(model, batch, members=MEMBERS):
    """Random masks for the `mask` buffers, ``{buffer name: (members, *shape)}``: each value 0 or 2 (p = 0.5)."""
    generator = torch.Generator().manual_seed(11)
    return {
        f"{name}.mask": 2.0 * torch.randint(0, 2, (members, *shape), generator=generator).double()
        for name, shape in _mask_shapes(model, batch).items()
    }


def _fields(output):
    """The tensors of a `FusionOutput`: vmap does not return None."""
    return {field: value for field, value in output._asdict().items() if value is not None}


def _close(found, wanted):
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-10)


@pytest.mark.parametrize("masked", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("name", UTT_MODELS)
def test_a_stack_equals_its_members(name, masked):
    members = [_model(name, seed).eval() for seed in range(MEMBERS)]
    batch = _batch(name)
    masks = _masks(members[0], batch) if masked else {}
    params, buffers = stack_module_state(members)
    base = copy.deepcopy(members[0]).to("meta")  # has no numbers of its own that could leak into the others' results

    def forward(state):
        return _fields(functional_call(base, state, (batch,)))

    stacked = torch.vmap(forward)({**params, **buffers, **masks})
    sum(value.sum() for value in stacked.values()).backward()

    for index, member in enumerate(members):
        alone = functional_call(member, {key: mask[index] for key, mask in masks.items()}, (batch,))
        for field, wanted in _fields(alone).items():
            _close(stacked[field][index], wanted)
        sum(value.sum() for value in _fields(alone).values()).backward()
        for key, parameter in member.named_parameters():
            if parameter.grad is None:  # a parameter without use in the forward pass, see test_golden.UNUSED
                assert params[key].grad is None or not params[key].grad[index].any(), key
            else:
                _close(params[key].grad[index], parameter.grad)


@pytest.mark.parametrize("name", UTT_MODELS)
def test_masks_multiply_the_input_of_each_dropout(name):
    model, batch = _model(name).train(), _batch(name)
    masks = {key: mask[0] for key, mask in _masks(model, batch, members=1).items()}
    found = functional_call(model, masks, (batch,))

    by_hand = copy.deepcopy(model).eval()  # its dropouts do nothing; the hooks below multiply in their place
    for site, module in _dropouts(by_hand).items():
        module.register_forward_hook(lambda _, __, output, site=site: output * masks.get(f"{site}.mask", 1.0))
    wanted = by_hand(batch)
    _close(found.emos, wanted.emos)
    _close(found.interloss, wanted.interloss)
    assert (found.emos - copy.deepcopy(model).eval()(batch).emos).abs().max() > 1e-4  # the masks did something


@pytest.mark.parametrize("name", UTT_MODELS)
def test_masks_of_ones_equal_no_dropout_and_leave_the_random_stream_alone(name):
    model, batch = _model(name).train(), _batch(name)
    ones = {f"{site}.mask": torch.ones(shape).double() for site, shape in _mask_shapes(model, batch).items()}
    torch.manual_seed(3)
    before = torch.get_rng_state()
    found = functional_call(model, ones, (batch,))
    assert torch.equal(torch.get_rng_state(), before)  # no random draw but the dropouts' own

    without = _model(name, dropout=0.0).train()
    for module in _dropouts(without).values():
        module.p = 0.0  # MISA's transformer has its own, fixed at 0.1
    wanted = without(batch)
    _close(found.emos, wanted.emos)
    _close(found.vals, wanted.vals)
    _close(found.interloss, wanted.interloss)


@pytest.mark.parametrize("name", FUSION_DROPOUTS)
def test_dropout_is_where_the_reference_has_it(name):
    model = _model(name)
    shapes = _mask_shapes(model, _batch(name))
    found = {site: (module.p, tuple(shapes[site])) for site, module in _dropouts(model).items()}
    if name == "attention_topn":
        inputs = {f"encoder{index}.drop": (0.4, (BATCH, width)) for index, width in enumerate(WIDTHS)}
    else:
        inputs = {
            f"{modality}_encoder.drop": (0.4, (BATCH, width))
            for modality, width in zip(("audio", "text", "video"), WIDTHS, strict=True)
        }
    assert found == inputs | FUSION_DROPOUTS[name]


@pytest.mark.parametrize("name", UTT_MODELS)
def test_no_dropout_but_ours(name):
    foreign = (nn.modules.dropout._DropoutNd, nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.RNNBase)
    assert [module for module in _model(name).modules() if isinstance(module, foreign)] == []


@pytest.mark.parametrize("name", UTT_MODELS)
def test_a_batch_of_one_gives_finite_gradients(name):
    model, batch = _model(name).train(), _batch(name, size=1)
    torch.manual_seed(0)
    sum(value.sum() for value in _fields(model(batch)).values()).backward()
    gradients = {key: value.grad for key, value in model.named_parameters() if value.grad is not None}
    assert [key for key, gradient in gradients.items() if not gradient.isfinite().all()] == []
    assert gradients["fc_out_1.bias"].tolist() == [1.0] * 6
