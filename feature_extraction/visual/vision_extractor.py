"""Vision models over the frames of many clips: frames of all clips of a batch go through the model together.

CLIP: Radford et al. 2021; data2vec: Baevski et al. 2022; DINOv2: Oquab et al. 2023; VideoMAE: Tong et al. 2022.
The formulas are in `vision_family.py`.
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feature_extraction.contract import Output, Sample, batches_of
from feature_extraction.visual.face_network_extractor import CPU_BATCH_FRAMES, FaceExtractor, computing
from feature_extraction.visual.prepared_faces import PREPARED_BYTES, in_chunks
from feature_extraction.visual.vision_frames import FrameClip, FrameLoad, PictureView, Sampling

if TYPE_CHECKING:
    import torch

GPU_FRAMES = 128  # that go through the model together; a GPU needs many to be busy
CPU_FRAMES = 16  # measured on CLIP ViT-B/32, one thread: 12% faster than 4; 32 gains nothing more


class FrameExtractor(FaceExtractor):
    """Base: an extractor around a model that sees pictures, or windows of pictures.

    Args:
        width: D.
        steps: rows that the model gives for one picture or window.
        frames_at_once: frames that go through the model together; None: by the device.
    """

    def __init__(
        self,
        stem: str,
        width: int,
        view: PictureView,
        sampling: Sampling,
        device: torch.device,
        dtype: str,
        frames_at_once: int | None,
        steps: int = 1,
    ) -> None:
        super().__init__(device, dtype)
        self.outputs = (Output(stem, width),)
        self.view = view
        self.sampling = sampling
        self.load = FrameLoad(view, sampling)
        at_once = frames_at_once or (CPU_FRAMES if device.type == "cpu" else GPU_FRAMES)
        self.steps = steps
        self.chunk = max(1, at_once // sampling.window)

    @abc.abstractmethod
    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Pictures ``(N, 3, H, W)`` -> ``(N, D)``, windows ``(N, T, 3, H, W)`` -> ``(N, steps, D)``; float32."""

    def cost(self, sample: Sample) -> float:
        """Frames that the model sees, as the file's size tells."""
        frames = super().cost(sample)
        return frames if self.sampling.most is None else min(frames, self.sampling.most)

    def plan(
        self, samples: Sequence[Sample], batch_size: int | None, budget: float | None = None
    ) -> list[list[Sample]]:
        """Batches of so many frames that their pictures stay below `PREPARED_BYTES`; on a CPU small ones.

        `batch_size` is not used: in this extractor it counts the frames that go through the model together.
        """
        most = PREPARED_BYTES / self.view.nbytes
        room = budget or max(1.0, min(most, CPU_BATCH_FRAMES) if self.device.type == "cpu" else most)
        return batches_of(samples, self.cost, len(samples), room)

    def extract(self, batch: Sequence[FrameClip]) -> list[tuple[np.ndarray, ...]]:
        """Per clip one array ``(T, D)`` float32, T = frames seen, or steps of all windows."""
        import torch

        width, at = self.outputs[0].width, 0
        # one array made before: rows kept one by one lie between a chunk's large arrays and keep memory from reuse
        rows = torch.empty((sum(clip.count for clip in batch), self.steps, width), device=self.device)
        with torch.inference_mode(), computing(self.device, "float32"):  # the model itself is of the type asked for
            for pictures in in_chunks(batch, self.chunk):
                x = self.view.tensor(pictures, self.device).to(getattr(torch, self.dtype))
                # results stay on the device: a GPU computes while the next pictures are prepared
                rows[at : at + len(x)] = self.features(x).view(len(x), self.steps, width)
                at += len(x)
        clips = np.split(rows.cpu().numpy(), np.cumsum([clip.count for clip in batch])[:-1])
        return [(seen[clip.order].reshape(-1, width),) for clip, seen in zip(batch, clips, strict=True)]


class VisionExtractor(FrameExtractor):
    """Features of a transformers model's folder.

    Args:
        model_name: names the feature, with ``sunlicai-`` before it for VideoMAE's two clips.
        videomae_type: "uniform" or "sunlicai".

    Raises:
        UserError: the folder is incomplete, or not of a vision model.
    """

    def __init__(
        self,
        folder: Path,
        model_name: str,
        device: torch.device,
        dtype: str = "float32",
        frames_at_once: int | None = None,
        videomae_type: str = "uniform",
    ) -> None:
        from feature_extraction.visual.vision_family import feature_width, load_vision_config, vision_family
        from feature_extraction.visual.vision_processor import ProcessorView

        self._config = load_vision_config(folder)
        self.family = vision_family(self._config, folder, videomae_type)
        view = ProcessorView(folder)
        width = feature_width(self._config, self.family, folder)
        stem = f"sunlicai-{model_name}" if videomae_type == "sunlicai" else model_name
        steps = self.family.sampling.window // self._config.tubelet_size if self.family.rule == "tubelets" else 1
        super().__init__(stem, width, view, self.family.sampling, device, dtype, frames_at_once, steps)
        self.formula = self.family.formula
        self.weights = folder
        if device.type == "cpu":
            self.replica = functools.partial(
                VisionExtractor, folder, model_name, device, dtype, frames_at_once, videomae_type
            )

    def prepare(self) -> None:
        """Load the model; raises `UserError` when its weights cannot be used."""
        from transformers import AutoModel

        from feature_extraction.huggingface_folder import load_model
        from feature_extraction.visual.vision_family import require_fit

        self.model = load_model(AutoModel, self.weights, self.device, dtype=self.dtype, config=self._config)
        require_fit(self.model, self.family, self.view.shape, self.outputs[0].width, self.weights)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """By the family's rule."""
        from feature_extraction.visual.vision_family import features

        return features(self.model, self.family.rule, x)
