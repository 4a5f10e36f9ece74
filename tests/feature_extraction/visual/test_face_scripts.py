"""The face network scripts, end to end, with random weights in the formats of the released files."""

import functools

import numpy as np
import pytest
import torch

from feature_extraction.visual import (
    extract_emonet_embedding,
    extract_ferplus_embedding,
    extract_imagenet_embedding,
    extract_manet_embedding,
    extract_msceleb_embedding,
)
from feature_extraction.visual.face_networks import EMONET, IMAGENET, MANET, MSCELEB, ferplus_network
from feature_extraction.visual.nets import emonet, ferplus, manet, resnet18
from toolkit.utils.errors import UserError

FERPLUS = ["--model", "senet50_ferplus_dag", "--layer_name"]
SENET = functools.partial(ferplus.FerPlusNet, "senet50_ferplus_dag")


def weights(build):
    torch.manual_seed(0)
    return build().eval()


def with_head(state, **heads):
    return {**state, **{f"{name}.weight": torch.ones(shape) for name, shape in heads.items()}}


# script, its flags, network, embedding, what the released file holds, the row
SCRIPTS = {
    "manet": (
        extract_manet_embedding,
        [],
        manet.MANet,
        lambda state: {
            "epoch": 9,
            "state_dict": {f"module.{k}": v for k, v in with_head(state, fc_1=(7, 512)).items()},
        },
        MANET,
    ),
    "emonet": (
        extract_emonet_embedding,
        [],
        emonet.EmoNet,
        lambda state: {f"module.{key}": value for key, value in state.items()},
        EMONET,
    ),
    "msceleb": (
        extract_msceleb_embedding,
        ["--half"],  # ignored on a CPU, with a note
        resnet18.ResNet18,
        lambda state: {"state_dict": with_head(state, fc=(1000, 512))},
        MSCELEB,
    ),
    "imagenet": (
        extract_imagenet_embedding,
        [],
        resnet18.ResNet18,
        lambda state: with_head(state, fc=(1000, 512)),
        IMAGENET,
    ),
    "senet50face": (
        extract_ferplus_embedding,
        [*FERPLUS, "conv4_2_3x3_relu"],
        SENET,
        lambda state: {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")},
        ferplus_network("senet50_ferplus_dag", "conv4_2_3x3_relu"),
    ),
}


def corpus(root, write_faces, random_faces):
    faces = root / "mer2024-dataset-process" / "openface_face"
    write_faces(faces, "two faces", random_faces(2, 1))
    write_faces(faces, "one", random_faces(1, 2, height=90, width=100))
    write_faces(faces, "none", random_faces(0, 1))
    write_faces(faces, "bad", np.zeros((2, 5)))
    return ["--dataset", "MER2024", "--gpu", "-1", "--data_root", str(root)]


@pytest.mark.parametrize("stem", SCRIPTS)
def test_a_script_from_released_file_to_features(stem, tmp_path, write_faces, random_faces, capsys):
    script, flags, build, released, row = SCRIPTS[stem]
    network = weights(build)
    checkpoint = tmp_path / "random weights.pth"
    torch.save(released(network.state_dict()), checkpoint)
    common = corpus(tmp_path, write_faces, random_faces)
    assert script.main([*common, *flags, "--checkpoint", str(checkpoint), "--feature_level", "FRAME"]) == 1
    output = capsys.readouterr()
    assert "3 done" in output.out and "failed: bad:" in output.out
    assert ("float16 is for GPUs" in output.err) == ("--half" in flags)
    folder = tmp_path / "mer2024-dataset-process" / "features" / f"{stem}_FRA"
    found = np.load(folder / "two faces.npy")
    embedding = ferplus.FerPlusEmbedding(network, "conv4_2_3x3_relu") if stem == "senet50face" else network
    pictures = np.stack([row.view.picture(face) for face in random_faces(2, 1)])
    with torch.inference_mode():
        expected = embedding(row.view.tensor(pictures, torch.device("cpu"))).numpy()
    assert found.shape == (2, row.width) and np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    assert np.abs(expected).max() > 0
    assert np.load(folder / "one.npy").shape == (1, row.width)
    np.testing.assert_array_equal(np.load(folder / "none.npy"), np.zeros((1, row.width)))


def test_a_missing_checkpoint_says_where_it_belongs_and_comes_from(tmp_path, write_faces, random_faces, monkeypatch):
    common = corpus(tmp_path, write_faces, random_faces)
    monkeypatch.setattr("feature_extraction.visual.checkpoint_place.PATH_TO_PRETRAINED_MODELS", tmp_path / "tools")
    for script, flags, place, origin in (
        (extract_manet_embedding, [], "manet", "model_best-acc88.33.pth"),
        (extract_emonet_embedding, [], "emonet/emonet_8.pth", "github.com/face-analysis/emonet"),
        (extract_msceleb_embedding, [], "msceleb/resnet18_msceleb.pth", "zeroQiaoba/MERTools"),
        (extract_imagenet_embedding, [], "imagenet holds no resnet18*.pth", "resnet18-f37072fd.pth"),
        (extract_ferplus_embedding, ["--model", "resnet50_ferplus_dag"], "ferplus/resnet50_ferplus_dag.pth", "albanie"),
    ):
        with pytest.raises(UserError) as caught:
            script.main([*common, *flags])
        message = str(caught.value)
        assert str(tmp_path / "tools" / place) in message and origin in message and "--checkpoint" in message


def test_the_checkpoint_of_another_network(tmp_path, write_faces, random_faces):
    common = corpus(tmp_path, write_faces, random_faces)
    torch.save(resnet18.ResNet18().state_dict(), tmp_path / "x.pth")
    with pytest.raises(UserError, match=r"x.pth: not the weights of MANet: layer3_1_p1.0.conv1.weight is missing"):
        extract_manet_embedding.main([*common, "--checkpoint", str(tmp_path / "x.pth")])
    assert not list((tmp_path / "mer2024-dataset-process" / "features").rglob("*.npy"))


def test_an_unknown_layer_lists_the_known_ones(tmp_path, write_faces, random_faces):
    common = corpus(tmp_path, write_faces, random_faces)
    with pytest.raises(UserError) as caught:
        extract_ferplus_embedding.main([*common, *FERPLUS, "conv9"])
    message = str(caught.value)
    assert "no layer 'conv9'" in message
    assert all(name in message for name in ("conv1_7x7_s2,", "conv5_3_3x3_relu", "conv2_1_prob", "pool5_7x7_s1"))
