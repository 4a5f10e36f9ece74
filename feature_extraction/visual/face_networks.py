"""The face networks of the baseline: one row each, with where its weights are from and what it sees of a face."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from feature_extraction.visual.checkpoint_place import CheckpointPlace
from feature_extraction.visual.picture_transforms import IMAGENET_MEAN, IMAGENET_STD, FaceView
from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    from torch import nn

MERTOOLS = "the list of tools in the README of github.com/zeroQiaoba/MERTools, folder MER2024"
FERPLUS_MODELS = ("resnet50_ferplus_dag", "senet50_ferplus_dag")
FERPLUS_LAYER = "conv5_3_3x3_relu"
FERPLUS_MEAN = (131.0912, 103.8827, 91.4953)  # red, green, blue, of 255


@dataclass(frozen=True)
class FaceNetwork:
    """A network that turns each face into `width` numbers.

    Attributes:
        stem: of the feature folder.
        load: picklable, checkpoint -> network ``(N, 3, S, S)`` -> ``(N, width)``, in eval mode.
    """

    stem: str
    width: int
    place: CheckpointPlace
    view: FaceView
    formula: str
    load: Callable[[Path], nn.Module]


def _load_manet(path: Path) -> nn.Module:
    from feature_extraction.visual.checkpoint_reader import load_network
    from feature_extraction.visual.nets.manet import UNUSED_KEYS, MANet

    return load_network(MANet, path, UNUSED_KEYS)


def _load_emonet(path: Path) -> nn.Module:
    from feature_extraction.visual.checkpoint_reader import load_network
    from feature_extraction.visual.nets.emonet import UNUSED_KEYS, EmoNet

    return load_network(EmoNet, path, UNUSED_KEYS)


def _load_resnet18(path: Path) -> nn.Module:
    from feature_extraction.visual.checkpoint_reader import load_network
    from feature_extraction.visual.nets.resnet18 import UNUSED_KEYS, ResNet18

    return load_network(ResNet18, path, UNUSED_KEYS)


def _load_ferplus(path: Path, model_name: str, layer_name: str) -> nn.Module:
    from feature_extraction.visual.checkpoint_reader import load_network
    from feature_extraction.visual.nets.ferplus import FerPlusEmbedding, FerPlusNet

    return FerPlusEmbedding(load_network(functools.partial(FerPlusNet, model_name), path), layer_name).eval()


_IMAGENET_VIEW = FaceView(224, mean=IMAGENET_MEAN, std=IMAGENET_STD)

MANET = FaceNetwork(
    "manet",
    1024,
    CheckpointPlace("manet", "*.pth*", f"[02-08]-[21-19]-model_best-acc88.33.pth (MA-Net, RAF-DB), from {MERTOOLS}"),
    FaceView(224),
    "MA-Net, both branches before their classifiers",
    _load_manet,
)
EMONET = FaceNetwork(
    "emonet",
    256,
    CheckpointPlace("emonet", "emonet_8.pth", "pretrained/emonet_8.pth of github.com/face-analysis/emonet"),
    FaceView(256),
    "EmoNet, embedding before the last fully connected block",
    _load_emonet,
)
MSCELEB = FaceNetwork(
    "msceleb",
    512,
    CheckpointPlace("msceleb", "resnet18_msceleb.pth", f"resnet18_msceleb.pth, from {MERTOOLS}"),
    _IMAGENET_VIEW,
    "ResNet-18 (MS-Celeb-1M), global average",
    _load_resnet18,
)
IMAGENET = FaceNetwork(
    "imagenet",
    512,
    CheckpointPlace(
        "imagenet", "resnet18*.pth", "resnet18-f37072fd.pth, torchvision's ResNet18_Weights.IMAGENET1K_V1 (pytorch.org)"
    ),
    _IMAGENET_VIEW,
    "ResNet-18 (ImageNet), global average",
    _load_resnet18,
)


def ferplus_network(model_name: str, layer_name: str = FERPLUS_LAYER) -> FaceNetwork:
    """ResNet-50 or SENet-50 trained on FER2013+: the value of any layer, averaged over places, then ReLU.

    Raises:
        UserError: no such layer; the message lists them.
    """
    from feature_extraction.visual.nets.ferplus import layer_widths

    widths = layer_widths(model_name)
    if layer_name not in widths:
        raise UserError(f"--layer_name: {model_name} has no layer {layer_name!r}; its layers: {', '.join(widths)}")
    return FaceNetwork(
        f"{model_name.split('_')[0]}face",
        widths[layer_name],
        CheckpointPlace("ferplus", f"{model_name}.pth", f"robots.ox.ac.uk/~albanie/pytorch-models.html, or {MERTOOLS}"),
        FaceView(224, short_side=256, mean=FERPLUS_MEAN, white=255.0),
        f"{model_name}, layer {layer_name}, averaged over places, ReLU",
        functools.partial(_load_ferplus, model_name=model_name, layer_name=layer_name),
    )
