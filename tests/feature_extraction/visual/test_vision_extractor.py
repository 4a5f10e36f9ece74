"""Every family of vision models: equal to its formula written out frame by frame, batched over clips or not."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from feature_extraction.contract import Sample
from feature_extraction.visual.vision_extractor import VisionExtractor

CPU = torch.device("cpu")
SIZE = 32
COUNTS = {"5": 5, "1": 1, "70": 70, "none": 0, "130": 130, "16": 16, "strips": 3}
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)
FAMILIES = [
    "clip",
    "siglip",
    "chinese_clip",
    "data2vec",
    "beit",
    "vit",
    "vit_mae",
    "swin",
    "convnext",
    "dinov2",
    "dinov2_registers",
    "videomae",
    "sunlicai",
]


def tiny_models():
    """vision_models.py, beside this file."""
    spec = importlib.util.spec_from_file_location("vision_models", Path(__file__).parent / "vision_models.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Name -> folder of a tiny model, written when it is first asked for."""
    root = tmp_path_factory.mktemp("models")
    models = tiny_models()

    def folder(name: str) -> Path:
        place = root / name
        return place if place.exists() else models.save_model(name, place)

    return folder


@pytest.fixture(scope="module")
def faces() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    shapes = {"strips": (40, 57)}
    return {
        name: rng.integers(0, 256, (count, *shapes.get(name, (48, 48)), 3), dtype=np.uint8)
        for name, count in COUNTS.items()
    }


@pytest.fixture(scope="module")
def clips(faces, tmp_path_factory) -> list[Sample]:
    root = tmp_path_factory.mktemp("faces")
    for name, array in faces.items():
        np.save(root / f"{name}.npy", array)
    return [Sample(name, root / f"{name}.npy") for name in faces]


def seen_by(name: str, face: np.ndarray) -> torch.Tensor:
    """What the model sees of a BGR face, by PIL alone: ``(3, 32, 32)``."""
    picture = Image.fromarray(face[:, :, [2, 1, 0]])
    mean, std = HALF, HALF
    if name in ("clip", "chinese_clip", "dinov2", "dinov2_registers", "videomae", "sunlicai", "convnext"):
        edge = 36 if "dino" in name or name == "convnext" else SIZE
        how = Image.Resampling.BILINEAR if name in ("videomae", "sunlicai", "convnext") else Image.Resampling.BICUBIC
        width, height = picture.size
        short = min(width, height)
        picture = picture.resize((int(edge * width / short), int(edge * height / short)), how)
        left, top = (picture.size[0] - SIZE) // 2, (picture.size[1] - SIZE) // 2
        picture = picture.crop((left, top, left + SIZE, top + SIZE))
        mean, std = ((0.4,) * 3, (0.2,) * 3) if name == "convnext" else (CLIP_MEAN, CLIP_STD)
    else:
        picture = picture.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    values = np.asarray(picture, np.float64) / 255
    return torch.from_numpy(((values - mean) / std).transpose(2, 0, 1)).float()


def spread(frames: int, wanted: int) -> list[int]:
    """`wanted` positions; the last one is repeated in a shorter clip."""
    if frames <= wanted:
        return [*range(frames), *[frames - 1] * (wanted - frames)]
    return [frames * k // wanted for k in range(wanted)]


def windows(name: str, frames: int) -> list[list[int]]:
    if name == "videomae":
        return [spread(frames, 16)]
    every_fourth = list(range(0, frames, 4))
    every_fourth += [every_fourth[-1]] * (16 - len(every_fourth))
    return [every_fourth[:16], every_fourth[-16:]]


@torch.no_grad()
def formula(name: str, model: torch.nn.Module, faces: np.ndarray) -> np.ndarray:
    """The formula, one frame or window at a time, with the model's own parts."""
    if not len(faces):
        return np.zeros((0, tiny_models().WIDTHS[name.replace("sunlicai", "videomae")]))
    pictures = [seen_by(name, face) for face in faces]
    rows = []
    if name in ("videomae", "sunlicai"):
        for window in windows(name, len(faces)):
            hidden = model(torch.stack([pictures[index] for index in window])[None]).last_hidden_state[0]
            patches = (SIZE // 8) ** 2
            assert len(hidden) == 8 * patches
            rows += [sum(hidden[step * patches : (step + 1) * patches]) / patches for step in range(8)]
        return torch.stack(rows).numpy()
    chosen = spread(len(faces), 64) if "dino" in name else range(len(faces))
    for picture in (pictures[index][None] for index in chosen):
        if name in ("clip", "chinese_clip"):
            rows.append(model.visual_projection(model.vision_model(pixel_values=picture).pooler_output)[0])
        elif name == "siglip":
            rows.append(model.vision_model(pixel_values=picture).pooler_output[0])
        elif name == "convnext":
            hidden = model(picture).last_hidden_state[0]
            rows.append(torch.stack([sum(channel.flatten()) for channel in hidden]))
        else:
            rows.append(sum(model(picture).last_hidden_state[0]))
    return torch.stack(rows).numpy()


def build(folders, name: str, **options) -> VisionExtractor:
    sun = {"videomae_type": "sunlicai"} if name == "sunlicai" else {}
    extractor = VisionExtractor(folders("videomae" if sun else name), "tiny", CPU, **sun, **options)
    extractor.prepare()
    return extractor


@pytest.mark.parametrize("name", FAMILIES)
def test_features_are_the_formula_alone_and_in_batches(name, folders, faces, clips):
    from transformers import AutoModel

    extractor = build(folders, name)
    loaded = [extractor.load(clip) for clip in clips]
    together = [rows for (rows,) in extractor.extract(loaded)]
    options = {"mask_ratio": 0.0} if name == "vit_mae" else {}
    folder = folders(name.replace("sunlicai", "videomae"))
    model = AutoModel.from_pretrained(folder, local_files_only=True, **options).eval()
    for clip, prepared, rows in zip(clips, loaded, together, strict=True):
        expected = formula(name, model, faces[clip.name])
        assert rows.shape == expected.shape and rows.dtype == np.float32
        if not len(expected):
            continue
        largest = np.abs(expected).max()
        assert largest > 0.1
        np.testing.assert_allclose(rows, expected, atol=1e-4 * largest)
        np.testing.assert_allclose(extractor.extract([prepared])[0][0], rows, atol=1e-4 * largest)
        if len(expected) > 1 and len(faces[clip.name]) > 1 and name != "videomae":
            assert np.abs(rows[0] - rows[-1]).max() > 1e-2 * largest or name == "sunlicai"
    assert extractor.outputs[0].width == tiny_models().WIDTHS[name.replace("sunlicai", "videomae")]
    assert extractor.outputs[0].stem == ("sunlicai-tiny" if name == "sunlicai" else "tiny")


@pytest.mark.parametrize(
    ("name", "frames", "rows", "seen"),
    [
        ("clip", 70, 70, 70),
        ("dinov2", 70, 64, 64),
        ("dinov2", 5, 64, 5),  # repeated frames are computed once
        ("videomae", 70, 8, 1),
        ("sunlicai", 130, 16, 2),
        ("sunlicai", 64, 16, 1),  # both clips are the same
    ],
)
def test_how_many_frames_are_computed(name, frames, rows, seen, folders, write_faces, random_faces, tmp_path):
    extractor = build(folders, name)
    clip = extractor.load(write_faces(tmp_path, "c", random_faces(frames, 0, 20, 20)))
    assert clip.count == seen
    assert extractor.extract([clip])[0][0].shape[0] == rows


def test_frames_go_through_the_model_in_chunks_over_the_borders_of_clips(folders, clips):
    sizes = {}
    for name, at_once in (("clip", 50), ("videomae", 50), ("videomae", 3)):
        extractor = build(folders, name, frames_at_once=at_once)
        plain, calls = extractor.features, []
        extractor.features = lambda x, plain=plain, calls=calls: calls.append(len(x)) or plain(x)
        extractor.extract([extractor.load(clip) for clip in clips])
        sizes[name, at_once] = calls
    assert sizes == {
        ("clip", 50): [50, 50, 50, 50, 25],
        ("videomae", 50): [3, 3],  # windows of 16
        ("videomae", 3): [1, 1, 1, 1, 1, 1],
    }


def test_the_cost_of_a_clip_is_what_the_model_sees(folders, write_faces, random_faces, tmp_path):
    short, long = (write_faces(tmp_path, name, random_faces(n, 0)) for name, n in (("short", 10), ("long", 90)))
    costs = {name: [round(build(folders, name).cost(clip)) for clip in (short, long)] for name in FAMILIES}
    assert costs["clip"] == [10, 90] and costs["dinov2"] == [10, 64]
    assert costs["videomae"] == [10, 16] and costs["sunlicai"] == [10, 32]
    extractor = build(folders, "clip")
    assert [[clip.name for clip in batch] for batch in extractor.plan([short, long], None, 95)] == [["long"], ["short"]]
    shorter = write_faces(tmp_path, "shorter", random_faces(7, 0))
    assert [[clip.name for clip in batch] for batch in extractor.plan([shorter, short, shorter, long], None)] == [
        ["long"],
        ["short"],  # on a CPU: 16 frames at most, or one clip
        ["shorter", "shorter"],
    ]
    extractor.device = torch.device("cuda")
    extractor.view.nbytes = 3 * 224 * 224  # pictures of the usual size: about 670 in memory at once
    many = [Sample(f"{number:02d}", long.path) for number in range(20)]
    assert [len(batch) for batch in extractor.plan(many, None)] == [7, 7, 6]


def test_what_travels_to_worker_processes_gives_the_same(folders, clips):
    extractor = build(folders, "videomae")
    copy = pickle.loads(pickle.dumps(extractor.replica))()
    copy.prepare()
    load = pickle.loads(pickle.dumps(extractor.load))
    np.testing.assert_array_equal(
        copy.extract([load(clips[0])])[0][0], extractor.extract([extractor.load(clips[0])])[0][0]
    )
    assert copy.outputs == extractor.outputs and copy.formula == extractor.formula
    assert len(pickle.dumps(extractor.load)) < 2000


@pytest.mark.parametrize("name", ["clip", "data2vec", "dinov2", "videomae"])
def test_reduced_precision_is_close_and_float32_comes_out(name, folders, clips):
    whole, half = build(folders, name), build(folders, name, dtype="bfloat16")
    clip = whole.load(clips[0])
    expected, rows = whole.extract([clip])[0][0], half.extract([clip])[0][0]
    assert rows.dtype == np.float32
    assert 1e-5 < np.abs(rows - expected).max() / np.abs(expected).max() < 2e-2
