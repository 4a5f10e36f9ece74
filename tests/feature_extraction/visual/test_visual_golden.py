"""The networks against the reference's numbers (tests/golden/visual.*, videomae.*), under the released key names."""

import numpy as np
import pytest
import torch

from feature_extraction.visual.face_networks import ferplus_network
from feature_extraction.visual.nets import emonet, ferplus, manet, resnet18, videomae

NETWORKS = {
    "manet": (manet.MANet, manet.UNUSED_KEYS),
    "emonet": (emonet.EmoNet, emonet.UNUSED_KEYS),
    "msceleb": (resnet18.ResNet18, resnet18.UNUSED_KEYS),
}
FERPLUS = ("resnet50_ferplus_dag", "senet50_ferplus_dag")
LAYERS = {"conv5_3_3x3_relu": 512, "pool5_7x7_s1": 2048}


def filled(build, case, golden_fill, unused=()):
    """The network with golden weights; its keys and shapes are the checkpoint's."""
    with torch.device("meta"):
        network = build()
    wanted = {key: tuple(shape) for key, shape in case["state"].items() if not key.startswith((*unused, "\0"))}
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == wanted
    state = {key: torch.from_numpy(np.asarray(golden_fill.fill(key, shape))) for key, shape in wanted.items()}
    network.load_state_dict(state, assign=True)
    return network.eval()


def computed(network, case, golden_fill, *arguments):
    x = torch.from_numpy(golden_fill.inputs(case["input_key"], case["input_shape"]))
    with torch.inference_mode():
        return network(x, *arguments).numpy()


def assert_equal_within(found, expected, tolerance=1e-4):
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("name", NETWORKS)
def test_face_networks(name, golden, golden_fill):
    build, unused = NETWORKS[name]
    case = golden.json("visual.json")[name]
    network = filled(build, case, golden_fill, unused)
    assert_equal_within(computed(network, case, golden_fill), golden.npz("visual.npz")[name])


@pytest.mark.parametrize("model", FERPLUS)
def test_ferplus_networks_at_any_layer(model, golden, golden_fill):
    cases, expected = golden.json("visual.json"), golden.npz("visual.npz")
    network = filled(lambda: ferplus.FerPlusNet(model), cases[f"{model}-pool5_7x7_s1"], golden_fill)
    for layer in LAYERS:
        embedding = ferplus.FerPlusEmbedding(network, layer)
        case = cases[f"{model}-{layer}"]
        assert_equal_within(computed(embedding, case, golden_fill), expected[f"{model}-{layer}"])


@pytest.mark.parametrize("model", FERPLUS)
def test_what_ferplus_networks_see(model, golden):
    meta = golden.json("visual.json")[f"{model}-meta"]
    view = ferplus_network(model).view
    assert list(view.mean) == meta["mean"] and list(view.std) == meta["std"]
    assert [view.size, view.size, 3] == meta["imageSize"] and view.white == 255


@pytest.mark.parametrize("model", FERPLUS)
def test_layers_by_name_are_the_values_that_hooks_see(model, golden_fill):
    torch.manual_seed(0)
    network = ferplus.FerPlusNet(model).eval()
    widths = ferplus.layer_widths(model)
    seen = {}
    for name, module in network.named_children():
        module.register_forward_hook(lambda _, inputs, output, name=name: seen.__setitem__(name, output.clone()))
    x = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        network(x)
        hooked = dict(seen)
        for layer in ("conv1_7x7_s2", "conv2_1_1x1_reduce_bn", "conv3_1", "conv4_6_relu", "classifier"):
            value = network(x, layer)
            assert torch.equal(value, hooked[layer]) and value.shape[1] == widths[layer]
    assert {name: value.shape[1] for name, value in hooked.items()} == widths
    assert hooked["pool1_3x3_s2"].shape[2:] == (56, 56) and hooked["conv5_3_relu"].shape[2:] == (7, 7)
    assert (
        len(widths) == 4 + 16 * (10 if model.startswith("resnet") else 16) + 4 * 2 + 2
    )  # stem, blocks, projections, end


def videomae_equals_golden(model, size, golden, golden_fill):
    case = golden.json("videomae.json")[model]
    network = filled(lambda: videomae.VideoMAE(size), case, golden_fill, videomae.UNUSED_KEYS)
    x = torch.from_numpy(golden_fill.inputs(case["input_key"], case["input_shape"])).transpose(1, 2)
    with torch.inference_mode():
        assert_equal_within(network(x).numpy(), golden.npz("videomae.npz")[model])


def test_videomae_160(golden, golden_fill):
    videomae_equals_golden("vit_base_patch16_160", 160, golden, golden_fill)


@pytest.mark.slow
def test_videomae_224(golden, golden_fill):
    videomae_equals_golden("vit_base_patch16_224", 224, golden, golden_fill)
