"""EVA-02 through timm: a stand-in for timm (which is an extra), and the real one where it is installed."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import types
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import nn

from feature_extraction.visual.eva02_extractor import Eva02Extractor
from feature_extraction.visual.extract_vision_huggingface import main
from feature_extraction.visual.timm_loading import import_timm
from feature_extraction.visual.vision_folder import find_timm_folder
from toolkit.utils.errors import UserError

CPU = torch.device("cpu")
NAME = "eva02_base_patch14_224.mim_in22k"
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)
SIZE = 6


class FakeEva(nn.Module):
    """Pooled output: the mean of each channel of the picture, times a weight."""

    num_features = 3

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return x.mean(dim=(2, 3)) * self.weight


class FakeTransform:
    """Top left corner of a picture; uint8 as timm's form for a prefetcher is."""

    def __call__(self, picture):
        assert picture.mode == "RGB"
        return torch.from_numpy(np.asarray(picture).transpose(2, 0, 1)[:, :SIZE, :SIZE].copy())


@pytest.fixture
def fake_timm(monkeypatch):
    """A module timm with the four functions that are used; ``calls`` records what models were asked for."""
    timm, data, vision = types.ModuleType("timm"), types.ModuleType("timm.data"), types.ModuleType("torchvision")
    timm.__version__, timm.data, timm.calls = "0.0", data, []

    def create_model(name, pretrained, num_classes, pretrained_cfg_overlay):
        assert num_classes == 0 and ("state_dict" in pretrained_cfg_overlay) == pretrained
        if not name.startswith("eva02_"):
            raise RuntimeError(f"Unknown model ({name})")
        model = FakeEva()
        if pretrained:
            model.load_state_dict(pretrained_cfg_overlay["state_dict"])
        timm.calls.append((name, pretrained, {k: v for k, v in pretrained_cfg_overlay.items() if k != "state_dict"}))
        model.settings = pretrained_cfg_overlay
        return model

    def resolve_model_data_config(model):
        return {"input_size": (3, SIZE, SIZE), "mean": model.settings.get("mean", MEAN), "std": STD, "crop_pct": 0.9}

    def create_transform(input_size, mean, std, crop_pct, is_training, use_prefetcher):
        assert input_size == (3, SIZE, SIZE) and not is_training and use_prefetcher
        return FakeTransform()

    timm.create_model = create_model
    data.resolve_model_data_config, data.create_transform = resolve_model_data_config, create_transform
    for name, module in (("timm", timm), ("timm.data", data), ("torchvision", vision)):
        monkeypatch.setitem(sys.modules, name, module)
    return timm


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "tools" / "timm" / NAME
    place.mkdir(parents=True)
    torch.save({"weight": torch.tensor([1.0, 2.0, 3.0])}, place / "pytorch_model.bin")
    return place


def expected_rows(faces, mean=MEAN):
    corner = faces[:, :SIZE, :SIZE, ::-1] / 255
    return ((corner - mean) / STD).mean(axis=(1, 2)) * [1, 2, 3]


def test_every_frame_through_timms_transform_and_model(fake_timm, folder, write_faces, random_faces, tmp_path):
    extractor = Eva02Extractor(folder, NAME, CPU, frames_at_once=4)
    assert extractor.outputs[0].stem == "eva02_base_patch14_224" and extractor.outputs[0].width == 3
    assert fake_timm.calls == [(NAME, False, {})]
    extractor.prepare()
    assert fake_timm.calls[1:] == [(NAME, True, {})]
    faces = [random_faces(count, count, 20, 9) for count in (3, 0, 6, 1)]
    clips = [extractor.load(write_faces(tmp_path, str(i), array)) for i, array in enumerate(faces)]
    for array, (rows,), clip in zip(faces, extractor.extract(clips), clips, strict=True):
        np.testing.assert_allclose(rows, expected_rows(array), atol=1e-5)
        np.testing.assert_allclose(extractor.extract([clip])[0][0], rows, atol=1e-6)


def test_the_folders_config_names_architecture_and_pictures(fake_timm, folder, write_faces, random_faces, tmp_path):
    config = {
        "architecture": "eva02_tiny",
        "pretrained_cfg": {"mean": [0, 0, 0], "num_classes": 7, "hf_hub_id": "x/y", "file": "z"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    extractor = Eva02Extractor(folder, "mine.v1.2", CPU)
    extractor.prepare()
    assert fake_timm.calls == [
        ("eva02_tiny", loaded, {"mean": [0, 0, 0], "num_classes": 7}) for loaded in (False, True)
    ]
    faces = random_faces(2, 1)
    rows = extractor.extract([extractor.load(write_faces(tmp_path, "c", faces))])[0][0]
    np.testing.assert_allclose(rows, expected_rows(faces, (0, 0, 0)), atol=1e-5)
    assert extractor.outputs[0].stem == "mine"


def test_worker_processes_build_their_own_transform(fake_timm, folder, write_faces, random_faces, tmp_path):
    extractor = Eva02Extractor(folder, NAME, CPU)
    sample = write_faces(tmp_path, "c", random_faces(2, 1))
    expected = extractor.load(sample).prepared
    pickled = pickle.dumps(extractor.load)
    assert b"FakeTransform" not in pickled
    np.testing.assert_array_equal(pickle.loads(pickled)(sample).prepared, expected)
    assert pickle.loads(pickle.dumps(extractor.replica))().outputs == extractor.outputs


def test_the_script_from_folder_to_features(fake_timm, folder, write_faces, random_faces, tmp_path, capsys):
    corpus = tmp_path / "data" / "mer2024-dataset-process"
    faces = random_faces(5, 2)
    write_faces(corpus / "openface_face", "a $b 'c'.d", faces)
    write_faces(corpus / "openface_face", "none", random_faces(0, 0))
    arguments = ["--dataset", "MER2024", "--data_root", str(tmp_path / "data"), "--gpu", "-1", "--num_procs", "1"]
    arguments += ["--model_name", "eva02_base_patch14_224", "--model_dir", str(folder)]
    for level in ("UTTERANCE", "FRAME"):
        assert main([*arguments, "--feature_level", level]) == 0
    frames = np.load(corpus / "features" / "eva02_base_patch14_224-FRA" / "a $b 'c'.d.npy")
    np.testing.assert_allclose(frames, expected_rows(faces), atol=1e-5)
    utterance = np.load(corpus / "features" / "eva02_base_patch14_224-UTT" / "a $b 'c'.d.npy")
    np.testing.assert_allclose(utterance, frames.mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(np.load(corpus / "features" / "eva02_base_patch14_224-UTT" / "none.npy"), np.zeros(3))
    with pytest.raises(UserError, match="sunlicai is for VideoMAE"):
        main([*arguments, "--videomae_type", "sunlicai"])


def test_timm_is_not_installed(folder, monkeypatch):
    for name in ("timm", "torchvision"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr("feature_extraction.visual.timm_loading.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"EVA-02 needs timm and torchvision, the extra 'visual': pip install"):
        Eva02Extractor(folder, NAME, CPU)


def test_weights_that_cannot_be_used(fake_timm, folder):
    weights = folder / "pytorch_model.bin"
    torch.save({"other": torch.ones(3)}, weights)
    with pytest.raises(UserError, match=r"cannot make a eva02_base.*weight"):
        Eva02Extractor(folder, NAME, CPU).prepare()
    weights.write_bytes(b"no weights")
    with pytest.raises(UserError, match="pytorch_model.bin: cannot be read"):
        Eva02Extractor(folder, NAME, CPU).prepare()
    torch.save({"weight": print}, weights)  # a pickle that names code
    with pytest.raises(UserError, match=r"pytorch_model.bin: holds print, which could run code; not"):
        Eva02Extractor(folder, NAME, CPU).prepare()
    with pytest.raises(UserError, match="Unknown model"):
        Eva02Extractor(folder, "nonsense.v1", CPU)


def test_which_folders_are_timms(folder, tmp_path):
    tools = tmp_path / "tools"
    assert find_timm_folder(NAME, tools=tools) == folder
    assert find_timm_folder("eva02_base_patch14_224", tools=tools) == folder
    assert find_timm_folder("clip-vit-base-patch32", tools=tools) is None
    assert find_timm_folder("timm/" + NAME, tools=tools) is None
    mine = tmp_path / "mine"
    mine.mkdir()
    assert find_timm_folder("other", mine, tools) is None
    (mine / "config.json").write_text('{"architecture": "vit_tiny", "model_type": "vit"}')
    assert find_timm_folder("other", mine, tools) is None
    (mine / "config.json").write_text('{"architecture": "vit_tiny"}')
    with pytest.raises(UserError, match=r"mine holds no model.safetensors or pytorch_model.bin"):
        find_timm_folder("other", mine, tools)
    (mine / "model.safetensors").touch()
    assert find_timm_folder("other", mine, tools) == mine
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(UserError, match=f"put the files of timm/{NAME} from the Hugging Face hub there"):
        find_timm_folder(NAME, tools=tools)


TORCHVISION = """
import torch
torch.library.register_fake("torchvision::nms")(lambda dets, scores, iou_threshold: dets)
torch.library.register_fake("torchvision::qnms")(lambda dets, scores, iou_threshold: dets)
from torchvision import part
"""


@pytest.fixture
def packages(tmp_path):
    """``packages(torchvision, timm)`` -> a folder with two packages of this code."""

    def write(torchvision: str, timm: str) -> str:
        for package, text in (("torchvision", torchvision), ("timm", timm), ("timm/data", "")):
            (tmp_path / package).mkdir()
            (tmp_path / package / "__init__.py").write_text(text)
        (tmp_path / "torchvision" / "part.py").touch()
        return str(tmp_path)

    return write


def test_a_torchvision_built_for_another_torch_is_made_importable(packages):
    code = (
        f"import sys; sys.path.insert(0, {packages(TORCHVISION, 'import torchvision')!r})\n"
        "from feature_extraction.visual.timm_loading import allow_torchvision, import_timm\n"
        "import_timm(); allow_torchvision()\n"
        "import torch, gc; gc.collect()\n"
        "print([hasattr(torch.ops.torchvision, name) for name in ('nms', 'qnms', 'other')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[True, True, False]"


@pytest.mark.parametrize(
    ("torchvision", "timm", "words"),
    [
        ("from torchvision import part", "import torchvision", None),  # one that works is left alone
        ("raise RuntimeError('operator other::x does not exist')", "", "operator other::x does not exist"),
        ("from torchvision import part", "import nowhere", "No module named 'nowhere'"),
    ],
)
def test_what_else_may_happen_when_timm_is_imported(torchvision, timm, words, packages, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] in ("timm", "torchvision")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(packages(torchvision, timm))
    defined = []
    monkeypatch.setattr("feature_extraction.visual.timm_loading._define_operators", lambda: defined.append(1))
    try:
        if words is None:
            assert import_timm().__name__ == "timm"
        else:
            with pytest.raises(UserError, match=f"timm cannot be imported .*{words}"):
                import_timm()
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] in ("timm", "torchvision")]:
            del sys.modules[name]
    assert not defined


@pytest.mark.skipif(find_spec("timm") is None, reason="timm (extra visual) is not installed")
def test_the_real_timm_with_a_small_eva02(write_faces, random_faces, tmp_path):
    timm = import_timm()
    torch.manual_seed(0)
    name = "eva02_tiny_patch14_224.mim_in22k"
    model = timm.create_model(name, pretrained=False, num_classes=0).eval()
    (tmp_path / name).mkdir()
    torch.save(model.state_dict(), tmp_path / name / "pytorch_model.bin")
    extractor = Eva02Extractor(tmp_path / name, name, CPU, frames_at_once=3)
    extractor.prepare()
    faces = random_faces(4, 1, 100, 112)
    rows = extractor.extract([extractor.load(write_faces(tmp_path, "c", faces))])[0][0]
    from PIL import Image

    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    with torch.no_grad():
        expected = [model(transform(Image.fromarray(face[..., ::-1]))[None])[0].numpy() for face in faces]
    assert rows.shape == (4, 192)
    np.testing.assert_allclose(rows, expected, atol=1e-4 * np.abs(expected).max())
