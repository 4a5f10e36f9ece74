"""Packed layers give what PyTorch's own give; which layers of a model are packed, and when none is."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import AutoModel

from feature_extraction.audio import packed_layers
from feature_extraction.audio.packed_layers import GELU, PackedConv1d, PackedLinear, pack, works

TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 0.01}  # of the largest value; bfloat16 rounds by 0.004
LAYERS = {
    "linear": (nn.Linear, (48, 40), {}, PackedLinear),
    "linear without bias": (nn.Linear, (48, 40), {"bias": False}, PackedLinear),
    "convolution": (nn.Conv1d, (32, 24, 3), {"stride": 2, "bias": False}, PackedConv1d),
    "positional": (nn.Conv1d, (32, 32, 16), {"padding": 8, "groups": 4}, PackedConv1d),
    "depthwise, dilated": (nn.Conv1d, (32, 32, 5), {"dilation": 3, "groups": 32}, PackedConv1d),
}
needs_operators = pytest.mark.skipif(
    not works(torch.float32), reason="this PyTorch, or this processor, lacks the operators"
)


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a.float() - b.float()).abs().max() / b.float().abs().max())


@needs_operators
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", LAYERS)
def test_a_packed_layer_gives_what_the_layer_gives(name, dtype):
    if not works(dtype):
        pytest.skip(f"no {dtype} operators on this processor")
    kind, sizes, options, packed_kind = LAYERS[name]
    torch.manual_seed(3)
    layer = kind(*sizes, **options).to(dtype)
    packed = packed_kind(layer)
    for length in (61, 20, 300):  # another one needs no other packing
        x = torch.randn((2, length, 48) if kind is nn.Linear else (2, 32, length)).to(dtype)
        with torch.inference_mode():
            packed.after = packed_layers.PLAIN
            assert packed(x).shape == layer(x).shape
            assert difference(packed(x), layer(x)) < TOLERANCE[dtype]
            packed.after = GELU
            assert difference(packed(x), nn.functional.gelu(layer(x))) < TOLERANCE[dtype]


def packed_names(model: nn.Module) -> set[str]:
    return {name for name, layer in model.named_modules() if isinstance(layer, PackedLinear | PackedConv1d)}


@needs_operators
def test_all_layers_of_hubert_are_packed_and_its_weight_norm_is_computed_once(speech_model):
    model = AutoModel.from_pretrained(speech_model("hubert-base")).eval().requires_grad_(False)
    linear = {name for name, layer in model.named_modules() if type(layer) is nn.Linear}
    wave = torch.sin(torch.arange(8000.0))[None]
    with torch.inference_mode():
        expected = model(wave).last_hidden_state
        pack(model, wave)
        assert difference(model(wave).last_hidden_state, expected) < 1e-5
    assert packed_names(model) == linear | {"encoder.pos_conv_embed.conv"}
    assert len(linear) == 6 * len(model.encoder.layers) + 1
    feed_forward = model.encoder.layers[0].feed_forward
    assert feed_forward.intermediate_dense.after == GELU and feed_forward.output_dense.after == packed_layers.PLAIN
    assert not any("parametrizations" in name for name, _ in model.named_parameters())


@needs_operators
def test_weights_that_a_model_reads_itself_are_left(speech_model):
    model = AutoModel.from_pretrained(speech_model("wavlm-base")).eval().requires_grad_(False)
    pack(model, torch.zeros(1, 4000))
    attention, feed_forward = model.encoder.layers[0].attention, model.encoder.layers[0].feed_forward
    assert type(attention.q_proj) is nn.Linear and type(attention.out_proj) is nn.Linear
    assert isinstance(feed_forward.intermediate_dense, PackedLinear)


@pytest.mark.skipif(not works(torch.bfloat16), reason="this PyTorch, or this processor, lacks the operators")
@pytest.mark.parametrize(("name", "after"), [("hubert-base", GELU), ("hubert-large", packed_layers.PLAIN)])
def test_gelu_moves_into_a_convolution_where_no_norm_lies_between(speech_model, name, after):
    model = AutoModel.from_pretrained(speech_model(name), dtype=torch.bfloat16).eval().requires_grad_(False)
    pack(model, torch.zeros(1, 4000, dtype=torch.bfloat16))
    first, *others = (layer.conv for layer in model.feature_extractor.conv_layers)
    assert type(first) is nn.Conv1d and all(other.after == after for other in others)


def test_an_operator_that_is_missing_or_wrong_is_not_used(monkeypatch):
    def missing(layer, dtype):
        raise AttributeError("no such operator")

    for faulty in (missing, lambda layer, dtype: lambda x: 1.001 * layer(x)):
        monkeypatch.setattr(packed_layers, "_packed", faulty)
        assert not works(torch.float32)
        model = nn.Sequential(nn.Linear(8, 8))
        pack(model, torch.zeros(1, 8))
        assert type(model[0]) is nn.Linear


def test_other_types_stay_and_random_numbers_are_not_drawn():
    model = nn.Sequential(nn.Linear(8, 8)).half()
    pack(model, torch.zeros(1, 8, dtype=torch.float16))
    assert type(model[0]) is nn.Linear
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    works(torch.float32)
    assert torch.equal(torch.rand(3), expected)
