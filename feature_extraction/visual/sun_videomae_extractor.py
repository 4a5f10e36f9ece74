"""VideoMAE of the two challenge checkpoints (Licai Sun's): a clip of 16 faces -> 768 numbers.

UTTERANCE: every 4th face, at least 16 (the last one repeated); the first 16 and the last 16 of them; of each the two
ends of the longer side (one and the same for square faces); the mean over these 4 clips.
FRAME: around every face t the faces t - 8 ... t + 7 (at the ends the outermost one repeated), cut out of the middle.
Faces keep the channel order they are stored in (BGR), which the checkpoints were used with; pictures are resized by
OpenCV's bilinear rule, as in VideoMAE's own code, not by PIL's.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_extraction.contract import Output, Sample
from feature_extraction.visual.checkpoint_place import CheckpointPlace
from feature_extraction.visual.face_network_extractor import FaceExtractor, rows_of
from feature_extraction.visual.face_networks import MERTOOLS
from feature_extraction.visual.face_reader import naming_file, read_faces
from feature_extraction.visual.frame_sampling import two_clip_indices, window_indices
from feature_extraction.visual.picture_transforms import IMAGENET_MEAN, IMAGENET_STD, normalised, short_side_shape
from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    import torch

WIDTH = 768
LENGTH = 16  # faces in a clip
SIZES = {"vit_base_patch16_160": 160, "vit_base_patch16_224": 224}  # what a model sees, in pixels
PLACES = {
    "vit_base_patch16_160": CheckpointPlace("videomae-base-VoxCeleb2", "checkpoint-99.pth", MERTOOLS, "--finetune"),
    "vit_base_patch16_224": CheckpointPlace("videomae-base-K400-mer2023", "checkpoint-299.pth", MERTOOLS, "--finetune"),
}
GPU_CLIPS = 32  # clips of 16 faces that go through the network together
CPU_CLIPS = 2
FRAMES_PER_PIECE = 64  # FRAME: faces resized at once; bounds memory whatever the clip's length


def folder_stem(checkpoint: Path) -> str:
    """``videomae-base-VoxCeleb2-99`` for .../videomae-base-VoxCeleb2/checkpoint-99.pth.

    Raises:
        UserError: the file's name has no epoch.
    """
    epoch = checkpoint.stem.rpartition("-")[2]
    if not epoch.isdigit():
        raise UserError(f"{checkpoint}: the feature is named by the epoch: call the file checkpoint-<epoch>.pth")
    return f"{checkpoint.parent.name}-{epoch}"


def require_folder(model_name: str, checkpoint: Path) -> None:
    """The checkpoint does not lie in the folder of the other model: their keys and shapes are the same.

    Raises:
        UserError: it does; the message names the model that belongs to the folder.
    """
    for other, place in PLACES.items():
        if other != model_name and checkpoint.parent.name == place.folder:
            raise UserError(f"{checkpoint}: {place.folder} belongs to --model {other}, not to {model_name}")


def require_size(model_name: str, checkpoint: Path, content: Mapping[str, Any]) -> None:
    """The checkpoint was trained on pictures of the model's size, where the training's arguments in it tell.

    Raises:
        UserError: it was not; the message names both sizes.
    """
    arguments = content.get("args")
    arguments = vars(arguments) if isinstance(arguments, argparse.Namespace) else arguments
    if not isinstance(arguments, Mapping):
        return
    size = arguments.get("input_size")
    if not isinstance(size, int):  # VideoMAE's own code has both
        named = re.search(r"_(\d+)$", str(arguments.get("model", "")))
        size = int(named[1]) if named else SIZES[model_name]
    if size != SIZES[model_name]:
        model = next((name for name, pixels in SIZES.items() if pixels == size), "")
        fix = f"give --model {model}" if model else f"only {' and '.join(map(str, SIZES.values()))} can be used"
        raise UserError(
            f"{checkpoint}: trained on {size} x {size} pixels, and {model_name} sees {SIZES[model_name]}; {fix}"
        )


def spatial_crops(face: np.ndarray, size: int) -> np.ndarray:
    """A face with its shorter side resized to `size`, cut at both ends: ``(2, size, size, 3)``, or 1 when square."""
    import cv2

    height, width = short_side_shape(*face.shape[:2], size)
    resized = cv2.resize(np.ascontiguousarray(face), (width, height), interpolation=cv2.INTER_LINEAR)
    if height == width:
        return resized[None]
    return np.stack([resized[:size, :size], resized[height - size :, width - size :]])


def middle_crop(face: np.ndarray, size: int) -> np.ndarray:
    """A face with its shorter side resized to `size`, the middle of the longer one: ``(size, size, 3)``."""
    import cv2

    height, width = short_side_shape(*face.shape[:2], size)
    resized = cv2.resize(np.ascontiguousarray(face), (width, height), interpolation=cv2.INTER_LINEAR)
    top, left = (height - size) // 2, (width - size) // 2
    return resized[top : top + size, left : left + size]


@dataclass(frozen=True)
class ClipsLoad:
    """Picklable, UTTERANCE: a sample -> its different clips ``(n, 16, S, S, 3)`` uint8, n = 0, 1, 2 or 4.

    What coincides is there once: the mean is the same.
    """

    size: int

    def __call__(self, sample: Sample) -> np.ndarray:
        faces = read_faces(sample)
        if not len(faces):
            return np.empty((0, LENGTH, self.size, self.size, 3), np.uint8)
        windows = np.unique(two_clip_indices(len(faces), LENGTH), axis=0)  # one row where the two are the same
        with naming_file(sample):
            shown = {index: spatial_crops(faces[index], self.size) for index in np.unique(windows)}
        crops = len(next(iter(shown.values())))
        return np.stack([np.stack([shown[i][crop] for i in window]) for window in windows for crop in range(crops)])


@dataclass(frozen=True)
class WindowsLoad:
    """Picklable, FRAME: a sample -> itself and its number of faces; the faces are read piece by piece."""

    size: int

    def __call__(self, sample: Sample) -> Windows:
        faces = read_faces(sample)
        if len(faces):
            with naming_file(sample):
                middle_crop(faces[0], self.size)  # a picture that cannot be used fails here, not amid its batch
        return Windows(sample, len(faces), self.size)


@dataclass(frozen=True)
class Windows:
    """The windows around each of `count` faces."""

    sample: Sample
    count: int
    size: int

    def pictures(self) -> Iterator[np.ndarray]:
        """Per face its window, ``(16, S, S, 3)`` uint8; `FRAMES_PER_PIECE` faces are resized at a time."""
        faces = read_faces(self.sample)
        windows = window_indices(self.count, LENGTH)
        for start in range(0, self.count, FRAMES_PER_PIECE):
            piece = windows[start : start + FRAMES_PER_PIECE]
            first = piece.min()
            shown = np.stack([middle_crop(face, self.size) for face in faces[first : piece.max() + 1]])
            for window in piece - first:
                yield shown[window]


class SunVideoMAEExtractor(FaceExtractor):
    """UTTERANCE: the mean over a sample's clips ``(1, 768)``; FRAME: a row per face, ``(T, 768)``."""

    outputs: tuple[Output, ...]

    def __init__(
        self, model_name: str, checkpoint: Path, device: torch.device, level: str, dtype: str = "float32"
    ) -> None:
        super().__init__(device, dtype)
        self.model_name = model_name
        self.level = level
        size = SIZES[model_name]
        self.outputs = (Output(folder_stem(checkpoint), WIDTH),)
        self.load = ClipsLoad(size) if level == "UTTERANCE" else WindowsLoad(size)
        what = "mean over 4 clips of every 4th face" if level == "UTTERANCE" else "window around every face"
        self.formula = f"VideoMAE {model_name}, {what}, 16 faces, BGR"
        self.weights = checkpoint
        self.chunk = CPU_CLIPS if device.type == "cpu" else GPU_CLIPS
        if device.type == "cpu":
            self.replica = functools.partial(SunVideoMAEExtractor, model_name, checkpoint, device, level, dtype)

    def prepare(self) -> None:
        """Load the network; raises `UserError` when the checkpoint cannot be used."""
        from feature_extraction.visual.checkpoint_reader import load_network
        from feature_extraction.visual.nets.videomae import UNUSED_KEYS, VideoMAE

        network = functools.partial(VideoMAE, SIZES[self.model_name])
        check = functools.partial(require_size, self.model_name, self.weights)
        self.model = load_network(network, self.weights, UNUSED_KEYS, check).to(self.device)

    def extract(self, batch: Sequence[np.ndarray | Windows]) -> list[tuple[np.ndarray, ...]]:
        """Per sample one array, ``(1, 768)`` or ``(T, 768)`` float32; ``(0, 768)`` without faces."""
        if self.level == "UTTERANCE":
            counts, stream = [len(clips) for clips in batch], (clip for clips in batch for clip in clips)
        else:
            counts, stream = [clip.count for clip in batch], (window for clip in batch for window in clip.pictures())
        # stored channels are blue, green, red, and the network is given them as they are
        inputs = (
            normalised(np.stack(clips), self.device, IMAGENET_MEAN, IMAGENET_STD)
            for clips in _grouped(stream, self.chunk)
        )
        found = rows_of(self.model, inputs, counts, WIDTH, self.device, self.dtype)
        if self.level == "FRAME":
            return found
        return [(rows.mean(axis=0, keepdims=True) if len(rows) else rows,) for (rows,) in found]


def _grouped(stream: Iterator[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    """At most `size` arrays at a time."""
    while group := list(itertools.islice(stream, size)):
        yield group
