"""Base of the extractors around one sound network that is computed in float32 only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_extraction.audio.wav_reader import SAMPLE_RATE
from feature_extraction.contract import Extractor, Sample

if TYPE_CHECKING:
    import torch

BYTES_PER_SECOND = 2 * SAMPLE_RATE  # of the corpus' wav files; others are estimated wrong, which costs speed only
GPU_WORKERS = 4  # processes that read ahead while a GPU computes


class SoundModel(Extractor):
    """Places clips of like length together; `--batch_seconds` counts seconds of sound."""

    modality = "audio"
    dtype = "float32"

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.default_workers = 0 if device.type == "cpu" else GPU_WORKERS

    def cost(self, sample: Sample) -> float:
        """Seconds of sound, as the file's size tells."""
        return super().cost(sample) / BYTES_PER_SECOND
