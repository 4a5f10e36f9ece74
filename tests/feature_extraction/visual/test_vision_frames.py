"""The pictures that a model sees: the processor in two halves, odd shapes, long clips."""

from __future__ import annotations

import json
import pickle
import tracemalloc

import numpy as np
import pytest
import torch

from feature_extraction.contract import SampleError
from feature_extraction.visual import vision_frames
from feature_extraction.visual.prepared_faces import in_chunks
from feature_extraction.visual.vision_frames import FrameLoad, PictureView, Sampling, scaled
from feature_extraction.visual.vision_processor import ProcessorView
from toolkit.utils.errors import UserError

CPU = torch.device("cpu")
SQUARE = {
    "image_processor_type": "ViTImageProcessor",
    "size": {"height": 20, "width": 24},
    "image_mean": [0.1, 0.2, 0.3],
    "image_std": [0.5, 0.6, 0.7],
}


@pytest.fixture
def view_of(tmp_path):
    """``view_of(processor config)`` -> its view."""

    def view(config: dict, name: str = "preprocessor_config.json") -> ProcessorView:
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(config))
        return ProcessorView(folder)

    return view


@pytest.mark.parametrize(
    ("change", "size"),
    [
        ({}, 1),
        ({"do_normalize": False}, 1),
        ({"rescale_factor": 1 / 127.5}, 1),
        ({"do_rescale": False}, 1),
        ({"do_resize": False}, 1),
        ({"image_processor_type": "CLIPImageProcessor", "crop_size": 16, "size": {"shortest_edge": 24}}, 1),
        ({"image_processor_type": "PvtImageProcessor"}, 1),
        ({"image_processor_type": "VivitImageProcessor", "offset": True}, 4),  # does more than scale: all of it
    ],
)
def test_two_halves_give_what_the_processor_gives(change, size, view_of, random_faces):
    from transformers import AutoImageProcessor

    view = view_of({**SQUARE, **change})
    faces = random_faces(3, 1)
    processor = AutoImageProcessor.from_pretrained(view._folder, backend="pil", local_files_only=True)
    expected = np.stack([np.array(processor(face[..., ::-1])["pixel_values"][0]) for face in faces])
    found = view.tensor(view.pictures(faces), CPU).numpy()
    np.testing.assert_allclose(found, expected.reshape(found.shape), atol=1e-5)
    assert found.dtype == np.float32 and found.shape == (3, *view.shape)
    assert view.nbytes == size * np.prod(view.shape)


def test_blue_green_red_becomes_red_green_blue(view_of):
    face = np.zeros((1, 8, 8, 3), np.uint8)
    face[..., 0], face[..., 2] = 10, 200  # blue, red
    view = view_of(SQUARE)
    pictures = view.pictures(face)
    assert pictures.shape == (1, 3, 20, 24) and pictures.dtype == np.uint8
    assert [set(channel.flatten().tolist()) for channel in pictures[0]] == [{200}, {0}, {10}]
    expected = [(200 / 255 - 0.1) / 0.5, (0 - 0.2) / 0.6, (10 / 255 - 0.3) / 0.7]
    np.testing.assert_allclose(view.tensor(pictures, CPU)[0, :, 3, 3], expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (3, 1), (1, 3), (3, 50), (1, 32), (2, 1)])
def test_tiny_pictures_keep_their_layout(shape, view_of):
    face = np.zeros((2, *shape, 3), np.uint8) + np.array([10, 20, 30], np.uint8)
    for change in ({}, {"image_processor_type": "CLIPImageProcessor", "crop_size": 16, "size": {"shortest_edge": 24}}):
        pictures = view_of({**SQUARE, **change}).pictures(face)
        assert [channel.mean() for channel in pictures[1]] == [30, 20, 10]


def test_a_strip_is_refused_before_it_grows(view_of):
    with pytest.raises(SampleError, match="a picture of 1 x 40 pixels is no face"):
        view_of(SQUARE).pictures(np.zeros((1, 1, 40, 3), np.uint8))


def test_a_processor_saved_inside_another_one(view_of, tmp_path):
    view = view_of({"processor_class": "CLIPProcessor", "image_processor": SQUARE}, "processor_config.json")
    assert view.shape == (3, 20, 24)
    assert pickle.loads(pickle.dumps(view)).pictures(np.zeros((1, 9, 9, 3), np.uint8)).shape == (1, 3, 20, 24)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "holds no preprocessor_config.json"),
        ("{", "no usable preprocessor_config.json"),
        ('{"image_processor_type": "Nonsense"}', "no usable preprocessor_config.json"),
        ('{"image_processor_type": "ViTImageProcessor", "size": {"depth": 3}}', "size must have one of"),
        ('{"image_processor_type": "ViTImageProcessor", "image_mean": [0, 0]}', "image processor fails on a face"),
    ],
)
def test_folders_without_a_usable_processor(content, words, tmp_path):
    if content is not None:
        (tmp_path / "preprocessor_config.json").write_text(content)
    with pytest.raises(UserError, match=words) as caught:
        ProcessorView(tmp_path)
    assert str(tmp_path) in str(caught.value)


class Middle(PictureView):
    """The middle pixel of each face, as a picture of one pixel."""

    shape, nbytes = (3, 1, 1), 3

    def pictures(self, faces):
        return faces[:, 4:5, 4:5, ::-1].transpose(0, 3, 1, 2)

    def tensor(self, pictures, device):
        return scaled(pictures, device)


@pytest.mark.parametrize(
    "sampling", [Sampling(), Sampling(64), Sampling(16, 1), Sampling(16, 2)], ids=["every", "64", "window", "two"]
)
def test_long_clips_are_read_piece_by_piece_with_the_same_result(
    sampling, write_faces, random_faces, tmp_path, monkeypatch
):
    sample = write_faces(tmp_path, "c", random_faces(200, 3, 9, 9))
    load = FrameLoad(Middle(), sampling)
    whole = load(sample)
    monkeypatch.setattr(vision_frames, "PREPARED_BYTES", 10)
    pieces = load(sample)
    assert whole.prepared is not None and pieces.prepared is None
    for size in (1, 7):
        np.testing.assert_array_equal(np.concatenate(list(in_chunks([pieces], size))), whole.prepared)
    monkeypatch.setattr(vision_frames, "PREPARED_BYTES", 100)
    empty = load(write_faces(tmp_path, "none", random_faces(0, 0)))
    assert empty.count == 0 and len(empty.order) == 0 and list(in_chunks([empty], 3)) == []


def test_memory_does_not_grow_with_the_length_of_a_clip(write_faces, random_faces, tmp_path, monkeypatch):
    monkeypatch.setattr(vision_frames, "PREPARED_BYTES", 300)
    peaks = {}
    for frames in (400, 8000):  # the longer one has 2 MB
        sample = write_faces(tmp_path, str(frames), random_faces(frames, 0, 9, 9))
        tracemalloc.start()
        clip = FrameLoad(Middle(), Sampling())(sample)
        seen = sum(len(pictures) for pictures in in_chunks([clip], 100))
        peaks[frames] = tracemalloc.get_traced_memory()[1] - 8000 * 50  # positions: a few numbers per frame
        tracemalloc.stop()
        assert seen == frames
    assert peaks[8000] < peaks[400] + 600_000
