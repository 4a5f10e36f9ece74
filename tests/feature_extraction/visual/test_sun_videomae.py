"""VideoMAE of the challenge checkpoints: which pictures it is given, and the script end to end (one real network)."""

import argparse
import pickle

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from feature_extraction.contract import SampleError
from feature_extraction.visual import extract_sun_videomae, sun_videomae_extractor
from feature_extraction.visual.frame_sampling import window_indices
from feature_extraction.visual.nets.videomae import VideoMAE
from feature_extraction.visual.sun_videomae_extractor import (
    SIZES,
    WIDTH,
    ClipsLoad,
    SunVideoMAEExtractor,
    WindowsLoad,
    folder_stem,
    middle_crop,
    require_folder,
    require_size,
    spatial_crops,
)
from toolkit.utils.errors import UserError

CPU = torch.device("cpu")
MODEL = "vit_base_patch16_160"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class MeanPerFrame(nn.Module):
    """Stands for the network: per clip the mean of channel 0 in each of its 16 frames, then zeros."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, clips):
        assert clips.shape[1:] == (16, 3, 160, 160)
        self.sizes.append(len(clips))
        return nn.functional.pad(clips[:, :, 0].mean(dim=(2, 3)), (0, WIDTH - 16))


def numbered_faces(count, height=112, width=112):
    """Face t is blue of strength t."""
    faces = np.zeros((count, height, width, 3), np.uint8)
    faces[..., 0] = np.arange(count)[:, None, None]
    return faces


@pytest.fixture
def extractors(tmp_path):
    checkpoint = tmp_path / "net" / "checkpoint-3.pth"
    checkpoint.parent.mkdir()
    checkpoint.touch()

    def build(level):
        extractor = SunVideoMAEExtractor(MODEL, checkpoint, CPU, level)
        extractor.model = MeanPerFrame()
        return extractor

    return build


def strengths(rows):
    """Numbers of the faces in each clip, read back from the rows; channel 0 is blue, normalised with the first mean."""
    assert not rows[:, 16:].any()
    return (rows[:, :16] * IMAGENET_STD[0] + IMAGENET_MEAN[0]) * 255


def test_utterance_is_the_mean_of_two_clips_of_every_fourth_face(extractors, write_faces, tmp_path):
    extractor = extractors("UTTERANCE")
    counts = [100, 0, 5, 65, 64, 1]
    clips = [extractor.load(write_faces(tmp_path, f"c{n}", numbered_faces(n))) for n in counts]
    assert [clip.shape for clip in clips] == [(n, 16, 160, 160, 3) for n in (2, 0, 1, 2, 1, 1)]
    found = [rows for (rows,) in extractor.extract(clips)]
    assert extractor.model.sizes == [2, 2, 2, 1]  # clips of several samples go together
    assert [rows.shape for rows in found] == [(min(n, 1), WIDTH) for n in counts]
    first = np.arange(16) * 4
    expected = {100: first + 18, 65: first + 2, 64: first, 5: np.minimum(first, 4), 1: first * 0}
    for count, rows in zip(counts, found, strict=True):
        if count:
            np.testing.assert_allclose(strengths(rows)[0], expected[count], atol=1e-3)


def test_frame_is_the_window_around_every_face(extractors, write_faces, tmp_path, monkeypatch):
    monkeypatch.setattr(sun_videomae_extractor, "FRAMES_PER_PIECE", 7)
    extractor = extractors("FRAME")
    counts = [30, 0, 3]
    clips = [extractor.load(write_faces(tmp_path, f"c{n}", numbered_faces(n))) for n in counts]
    found = [rows for (rows,) in extractor.extract(clips)]
    assert set(extractor.model.sizes[:-1]) == {extractor.chunk}
    for count, rows in zip(counts, found, strict=True):
        np.testing.assert_allclose(strengths(rows), window_indices(count), atol=1e-3)


def test_a_wide_face_is_seen_at_both_ends_and_they_are_averaged(extractors, write_faces, tmp_path):
    faces = np.zeros((1, 80, 120, 3), np.uint8)
    faces[:, :, 60:, 0] = 200
    clips = extractors("UTTERANCE").load(write_faces(tmp_path, "wide", faces))
    assert clips.shape == (2, 16, 160, 160, 3)
    blue = clips[:, 0, :, :, 0].mean(axis=(1, 2))  # resized to 160 x 240: the right 40 of 160 columns, then 120
    np.testing.assert_allclose(blue, [200 * 40 / 160, 200 * 120 / 160], atol=1)
    assert middle_crop(faces[0], 160)[..., 0].mean() == pytest.approx(100, abs=1)
    ends = spatial_crops(np.swapaxes(faces[0], 0, 1), 160)
    np.testing.assert_array_equal(ends, np.swapaxes(clips[:, 0], 1, 2))


def test_pictures_are_opencvs_bilinear_and_stay_bgr(write_faces, random_faces, tmp_path):
    faces = random_faces(1, 5)
    clips = ClipsLoad(160)(write_faces(tmp_path, "c", faces))
    np.testing.assert_array_equal(clips[0, 0], cv2.resize(faces[0], (160, 160), interpolation=cv2.INTER_LINEAR))


def test_bad_clips_fail_when_they_are_read(write_faces, random_faces, tmp_path):
    narrow = write_faces(tmp_path, "narrow", random_faces(2, 0, height=1, width=33))
    for load in (ClipsLoad(160), WindowsLoad(160)):
        with pytest.raises(SampleError, match="narrow.npy: a picture of 1 x 33 pixels is no face"):
            load(narrow)
        assert pickle.loads(pickle.dumps(load)) == load


def test_the_folder_is_named_by_the_checkpoint(tmp_path):
    assert folder_stem(tmp_path / "videomae-base-VoxCeleb2" / "checkpoint-99.pth") == "videomae-base-VoxCeleb2-99"
    with pytest.raises(UserError, match="checkpoint-<epoch>.pth"):
        folder_stem(tmp_path / "checkpoint-best.pth")


def test_the_folder_of_the_other_model_is_refused(tmp_path):
    for other, folder in (
        ("vit_base_patch16_224", "videomae-base-VoxCeleb2"),
        ("vit_base_patch16_160", "videomae-base-K400-mer2023"),
    ):
        checkpoint = tmp_path / folder / "checkpoint-7.pth"
        checkpoint.parent.mkdir()
        checkpoint.touch()
        right = next(model for model in SIZES if model != other)
        with pytest.raises(UserError, match=f"{folder} belongs to --model {right}, not to {other}"):
            extract_sun_videomae.main(["--dataset", "MER2024", "--model", other, "--finetune", str(checkpoint)])
        require_folder(right, checkpoint)
        require_folder(other, tmp_path / "mine" / "checkpoint-7.pth")


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        (argparse.Namespace(model="vit_base_patch16_224", input_size=160), 160),  # the pictures count
        ({"input_size": 224}, 224),
        (argparse.Namespace(model="pretrain_videomae_base_patch16_160"), 160),
        (argparse.Namespace(input_size=112), 112),
        (argparse.Namespace(lr=0.1), None),
        ("text", None),
        (None, None),
    ],
)
def test_the_size_that_a_checkpoint_was_trained_on(arguments, size, tmp_path):
    content = {"model": {}} if arguments is None else {"model": {}, "args": arguments}
    for name, pixels in SIZES.items():
        if size in (None, pixels):
            require_size(name, tmp_path / "x.pth", content)
            continue
        with pytest.raises(
            UserError, match=rf"x.pth: trained on {size} x {size} pixels, and {name} sees {pixels}; "
        ) as e:
            require_size(name, tmp_path / "x.pth", content)
        right = next((f"give --model {name}" for name, pixels in SIZES.items() if pixels == size), "only 160 and 224")
        assert right in str(e.value)


def test_the_extractor_checks_the_size(tmp_path):
    checkpoint = tmp_path / "net" / "checkpoint-3.pth"
    checkpoint.parent.mkdir()
    torch.save({"model": {}, "args": argparse.Namespace(input_size=224)}, checkpoint)
    with pytest.raises(UserError, match="trained on 224 x 224 pixels.* give --model vit_base_patch16_224"):
        SunVideoMAEExtractor(MODEL, checkpoint, CPU, "UTTERANCE").prepare()


def test_other_sizes_are_refused(capsys):
    with pytest.raises(SystemExit):
        extract_sun_videomae.main(["--dataset", "MER2024", "--model", MODEL, "--short_side_size", "224"])
    assert "vit_base_patch16_160 takes 160" in capsys.readouterr().err


def test_a_missing_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr("feature_extraction.visual.checkpoint_place.PATH_TO_PRETRAINED_MODELS", tmp_path)
    with pytest.raises(UserError) as caught:
        extract_sun_videomae.main(["--dataset", "MER2024", "--gpu", "-1"])
    message = str(caught.value)
    assert str(tmp_path / "videomae-base-K400-mer2023" / "checkpoint-299.pth") in message
    assert "--finetune" in message and "zeroQiaoba/MERTools" in message


def test_the_script_from_a_pretraining_checkpoint_to_features(tmp_path, write_faces, random_faces):
    torch.manual_seed(0)
    with torch.device("meta"):
        network = VideoMAE(160).eval()
    state = {key: torch.randn(value.shape) / 30 for key, value in network.state_dict().items()}
    network.load_state_dict(state, assign=True)
    state = {f"encoder.{key}": value for key, value in network.state_dict().items()}
    state |= {"decoder.norm.weight": torch.ones(384), "encoder_to_decoder.weight": torch.ones(384, 768)}
    state |= {"mask_token": torch.ones(1, 1, 384)}
    checkpoint = tmp_path / "videomae-base-VoxCeleb2" / "checkpoint-99.pth"
    checkpoint.parent.mkdir()
    torch.save({"model": state, "epoch": 99}, checkpoint)
    root = tmp_path / "mer2024-dataset-process"
    write_faces(root / "openface_face", "one", random_faces(3, 1))
    write_faces(root / "openface_face", "none", random_faces(0, 1))
    flags = ["--dataset", "MER2024", "--gpu", "-1", "--data_root", str(tmp_path), "--model", MODEL]
    flags += ["--input_size", "160", "--short_side_size", "160", "--batch_size", "64", "--finetune", str(checkpoint)]
    assert extract_sun_videomae.main(flags) == 0
    folder = root / "features" / "videomae-base-VoxCeleb2-99-UTT"
    np.testing.assert_array_equal(np.load(folder / "none.npy"), np.zeros(WIDTH))
    found = np.load(folder / "one.npy")
    face = cv2.resize(random_faces(3, 1)[0], (160, 160), interpolation=cv2.INTER_LINEAR)
    clip = np.stack([face] * 16).transpose(0, 3, 1, 2) / 255.0  # every 4th of 3 faces is the first
    clip = (clip - np.reshape(IMAGENET_MEAN, (3, 1, 1))) / np.reshape(IMAGENET_STD, (3, 1, 1))
    with torch.inference_mode():
        expected = network(torch.from_numpy(clip[None]).float())[0].numpy()
    assert np.abs(expected).max() > 0.1
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
