"""The VGGish network and its converter against a NumPy version in TensorFlow's layout; batches; bad checkpoints."""

from __future__ import annotations

import os
import pickle
import sys
import types

import numpy as np
import pytest
import soundfile
import torch

from feature_extraction.audio.extract_vggish_embedding import main
from feature_extraction.audio.vggish_extractor import VggishExtractor, find_checkpoint
from feature_extraction.audio.vggish_network import load_vggish
from feature_extraction.contract import Sample
from feature_extraction.vggish_conversion import LAYERS, convert_vggish
from feature_extraction.vggish_conversion import main as convert
from toolkit.utils.errors import UserError

RATE = 16000
SHAPES = {
    "conv1": (3, 3, 1, 64),
    "conv2": (3, 3, 64, 128),
    "conv3/conv3_1": (3, 3, 128, 256),
    "conv3/conv3_2": (3, 3, 256, 256),
    "conv4/conv4_1": (3, 3, 256, 512),
    "conv4/conv4_2": (3, 3, 512, 512),
    "fc1/fc1_1": (12288, 4096),
    "fc1/fc1_2": (4096, 4096),
    "fc2": (4096, 128),
}


@pytest.fixture(scope="module")
def variables() -> dict[str, np.ndarray]:
    """Random weights under the names and in the layout of TensorFlow's checkpoint."""
    rng = np.random.default_rng(3)
    made = {}
    for name, shape in SHAPES.items():
        scale = np.float32(np.sqrt(2.0 / np.prod(shape[:-1])))
        made[f"vggish/{name}/weights"] = scale * rng.standard_normal(shape, dtype=np.float32)
        made[f"vggish/{name}/biases"] = 0.1 * rng.standard_normal(shape[-1], dtype=np.float32)
    return made


@pytest.fixture(scope="module")
def tools(variables, tmp_path_factory):
    """A tools/vggish folder, filled by the converter through an .npz."""
    folder = tmp_path_factory.mktemp("vggish")
    np.savez(folder / "vggish_model.npz", **variables)
    assert convert([str(folder / "vggish_model.npz"), "--target", str(folder / "vggish.pth")]) == 0
    (folder / "vggish_model.npz").unlink()
    yield folder
    (folder / "vggish.pth").unlink()  # 288 MB, which pytest would keep for three sessions


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> list[Sample]:
    """0.3 s, 1.2 s, 1.2 s and 2.1 s of a gliding tone in noise."""
    root = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(1)
    samples = []
    for index, seconds in enumerate((0.3, 1.2, 1.2, 2.1)):
        t = np.arange(int(RATE * seconds)) / RATE
        wave = 0.3 * np.sin(2 * np.pi * (200 + 100 * index + 300 * t) * t) + 0.02 * rng.standard_normal(len(t))
        samples.append(Sample(f"{index}", root / f"{index}.wav"))
        soundfile.write(samples[-1].path, wave, RATE, subtype="PCM_16")
    return samples


def extractor(tools, level: str, relu: bool = False) -> VggishExtractor:
    made = VggishExtractor(find_checkpoint(tools), level, torch.device("cpu"), relu)
    made.prepare()
    return made


def plain(variables: dict[str, np.ndarray], example: np.ndarray) -> np.ndarray:
    """One example ``(96, 64)`` through the network in TensorFlow's layout (H, W, channels), without torch."""

    def weights(name: str) -> tuple[np.ndarray, np.ndarray]:
        return variables[f"vggish/{name}/weights"], variables[f"vggish/{name}/biases"]

    x = example[:, :, None]
    for name in SHAPES:
        kernel, bias = weights(name)
        if name == "fc1/fc1_1":
            x = x.reshape(-1)
        if name.startswith("conv"):
            height, width, _ = x.shape
            padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
            shifts = (padded[i : i + height, j : j + width] @ kernel[i, j] for i in range(3) for j in range(3))
            x = np.maximum(sum(shifts) + bias, 0)
            if name not in ("conv3/conv3_1", "conv4/conv4_1"):  # maximum of 2 x 2
                x = x.reshape(height // 2, 2, width // 2, 2, -1).max(axis=(1, 3))
        else:
            x = x @ kernel + bias
            x = np.maximum(x, 0) if name != "fc2" else x
    return x


def test_converted_network_equals_the_numpy_version(variables, tools):
    example = np.random.default_rng(5).normal(-2.7, 2.5, (2, 96, 64)).astype(np.float32)
    with torch.inference_mode():
        rows = load_vggish(find_checkpoint(tools))(torch.from_numpy(example)).numpy()
    expected = np.stack([plain(variables, one) for one in example])
    assert rows.shape == (2, 128) and expected.min() < -0.1  # before the last ReLU
    assert np.abs(rows - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("level", ["UTTERANCE", "FRAME"])
def test_batches_equal_one_at_a_time(tools, clips, level, monkeypatch):
    made = extractor(tools, level)
    loaded = [made.load(clip) for clip in clips]
    single = [made.extract([item])[0][0] for item in loaded]
    counts = {"UTTERANCE": [1, 1, 1, 3], "FRAME": [5, 5, 5, 23]}[level]  # 0.3 s is repeated to 1.2 s: 118 frames
    assert [len(rows) for rows in single] == counts
    monkeypatch.setattr("feature_extraction.audio.vggish_extractor.CHUNK", 4)  # chunks reach over clips
    batched = [rows for (rows,) in made.extract(loaded)]
    for one, many in zip(single, batched, strict=True):
        assert one.dtype == many.dtype == np.float32 and many.shape == one.shape
        assert np.abs(one - many).max() < 1e-4 * np.abs(one).max()
    assert np.abs(single[1] - single[2]).max() > 0.1 * np.abs(single[1]).max()  # the clip matters


def test_relu_keeps_the_positive_part(tools, clips):
    plain_rows, relu_rows = (
        made.extract([made.load(clips[3])])[0][0]
        for made in (extractor(tools, "UTTERANCE"), extractor(tools, "UTTERANCE", relu=True))
    )
    assert np.array_equal(relu_rows, np.maximum(plain_rows, 0)) and plain_rows.min() < 0
    assert extractor(tools, "UTTERANCE", relu=True).outputs[0].stem == "vggish-relu"


def test_load_is_picklable(tools, clips):
    load = extractor(tools, "FRAME").load
    assert np.array_equal(pickle.loads(pickle.dumps(load))(clips[0]), load(clips[0]))


def test_tensorflow_is_asked_for_every_variable(variables, tmp_path, monkeypatch):
    """With a stand-in for the package: names, layout and the whole path reach `tf.train.load_checkpoint`."""
    asked = []

    class Reader:
        def get_variable_to_shape_map(self):
            return {name: list(array.shape) for name, array in variables.items()}

        def get_tensor(self, name):
            return variables[name]

    fake = types.ModuleType("tensorflow")
    fake.train = types.SimpleNamespace(load_checkpoint=lambda path: asked.append(path) or Reader())
    fake.errors = types.SimpleNamespace(OpError=OSError)
    monkeypatch.setitem(sys.modules, "tensorflow", fake)
    convert_vggish(tmp_path / "vggish_model.ckpt", tmp_path / "sub/vggish.pth")
    state = torch.load(tmp_path / "sub/vggish.pth", weights_only=True)
    (tmp_path / "sub/vggish.pth").unlink()
    assert asked == [str(tmp_path / "vggish_model.ckpt")]
    assert set(state) == {f"{place}.{kind}" for place in LAYERS.values() for kind in ("weight", "bias")}
    kernel = variables["vggish/conv3/conv3_1/weights"]  # (row, column, in, out)
    assert state["features.6.weight"][200, 100, 0, 2] == kernel[0, 2, 100, 200]
    assert state["embeddings.4.weight"][5, 4000] == variables["vggish/fc2/weights"][4000, 5]


def test_missing_tensorflow_and_bad_sources_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    (tmp_path / "vggish_model.ckpt").write_bytes(b"x")
    with pytest.raises(UserError, match=r"vggish_model\.ckpt: reading .* needs the package tensorflow"):
        convert([str(tmp_path / "vggish_model.ckpt")])
    with pytest.raises(UserError, match="absent.ckpt does not exist"):
        convert([str(tmp_path / "absent.ckpt")])
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(UserError, match=r"other\.npz: holds no variable vggish/conv1/weights"):
        convert([str(tmp_path / "other.npz")])
    (tmp_path / "text.npz").write_text("no zip")
    with pytest.raises(UserError, match=r"text\.npz: not a readable \.npz"):
        convert([str(tmp_path / "text.npz")])


class _Runs:
    """Unpickling this would make a folder."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_bad_checkpoints_are_named_and_run_nothing(tmp_path):
    with pytest.raises(UserError, match="holds no VGGish checkpoint: put vggish-10086976.pth there"):
        find_checkpoint(tmp_path)
    (tmp_path / "vggish_model.ckpt").write_bytes(b"x")
    with pytest.raises(UserError, match="convert it once: python -m feature_extraction.vggish_conversion"):
        find_checkpoint(tmp_path)
    path = tmp_path / "vggish-10086976.pth"
    path.write_bytes(b"no checkpoint")
    assert find_checkpoint(tmp_path) == path
    with pytest.raises(UserError, match="not a readable torch checkpoint"):
        load_vggish(path)
    torch.save({"features.0.weight": _Runs(str(tmp_path / "made"))}, path)
    with pytest.raises(UserError, match="pth: holds .*mkdir, which could run code; not opened"):
        load_vggish(path)
    assert not (tmp_path / "made").exists()
    torch.save({"features.0.weight": torch.zeros(64, 1, 5, 5), "pproc.pca_means": torch.zeros(128, 1)}, path)
    with pytest.raises(UserError, match=r"not the weights of Vggish: features\.0\.bias is missing, .* and \d+ more"):
        load_vggish(path)
    torch.save([1], path)
    with pytest.raises(UserError, match="holds a list, not a dict"):
        load_vggish(path)


def test_post_processing_parameters_are_ignored(tools, tmp_path):
    state = torch.load(tools / "vggish.pth", weights_only=True)
    torch.save({**state, "pproc.pca_eigen_vectors": torch.zeros(128, 128)}, tmp_path / "vggish.pth")
    network = load_vggish(tmp_path / "vggish.pth")
    (tmp_path / "vggish.pth").unlink()
    assert torch.equal(network.embeddings[4].weight, state["embeddings.4.weight"])


def test_script_writes_means_and_lists_bad_clips(tools, clips, tmp_path, capsys):
    root = tmp_path / "mer2024-dataset-process"
    (root / "audio").mkdir(parents=True)
    (root / "audio/a b.$x 'q'.wav").write_bytes(clips[3].path.read_bytes())
    soundfile.write(root / "audio/silent.wav", np.zeros(RATE, np.int16), RATE)
    soundfile.write(root / "audio/empty.wav", np.zeros(0, np.int16), RATE)
    soundfile.write(root / "audio/nan.wav", np.full(RATE, np.nan), RATE, subtype="FLOAT")
    arguments = ["--dataset", "MER2024", "--data_root", str(tmp_path), "--gpu", "-1", "--model_dir", str(tools)]
    assert main(arguments) == 1
    printed = capsys.readouterr().out
    assert "failed: empty: " in printed and "failed: nan: " in printed and "2 failed" in printed
    saved = np.load(root / "features/vggish_UTT/a b.$x 'q'.npy")
    made = extractor(tools, "UTTERANCE")
    rows = made.extract([made.load(clips[3])])[0][0]
    assert saved.shape == (128,) and np.abs(saved - rows.mean(axis=0)).max() < 1e-4 * np.abs(rows).max()
    assert np.isfinite(np.load(root / "features/vggish_UTT/silent.npy")).all()
    with pytest.raises(SystemExit):
        main([*arguments, "--dtype", "bfloat16"])
