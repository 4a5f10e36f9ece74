"""VGGish features: one 128-d embedding per 0.96 s of sound, each 0.5 s (UTTERANCE, then averaged) or 0.05 s (FRAME).

Clips under 1 s are repeated until at least 1 s. Examples of many clips go through the network together: they have one
shape and do not see each other, so a batch changes no number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feature_extraction.audio.sound_model import SoundModel
from feature_extraction.audio.speech_extractor import exact_convolutions
from feature_extraction.audio.vggish_front_end import EXAMPLE_HOPS, examples, log_mel, repeat_short
from feature_extraction.audio.wav_reader import WavReader
from feature_extraction.contract import Output, Sample
from toolkit.globals import PATH_TO_PRETRAINED_MODELS
from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    import torch

WIDTH = 128
MODEL_FOLDER = "vggish"
CHECKPOINTS = ("vggish.pth", "vggish-10086976.pth")  # written by our converter; the PyTorch port's release
TENSORFLOW_CHECKPOINT = "vggish_model.ckpt"
CHUNK = 32  # examples that go through the network together: about 100 MB of activations


def find_checkpoint(model_dir: str | Path | None = None) -> Path:
    """The checkpoint in `model_dir` (default: tools/vggish).

    Raises:
        UserError: there is none; the message says where to get it, or how to convert TensorFlow's file.
    """
    folder = Path(model_dir).expanduser() if model_dir else PATH_TO_PRETRAINED_MODELS / MODEL_FOLDER
    for name in CHECKPOINTS:
        if (folder / name).is_file():
            return folder / name
    original = folder / TENSORFLOW_CHECKPOINT
    if original.is_file():
        raise UserError(
            f"{folder} holds TensorFlow's {TENSORFLOW_CHECKPOINT}; convert it once: "
            f"python -m feature_extraction.vggish_conversion '{original}'"
        )
    raise UserError(
        f"{folder} holds no VGGish checkpoint: put {CHECKPOINTS[1]} there (github.com/harritaylor/torchvggish, release "
        f"v0.1), or TensorFlow's {TENSORFLOW_CHECKPOINT} converted by `python -m feature_extraction.vggish_conversion`"
    )


@dataclass(frozen=True)
class LogMelLoad:
    """Sample -> log-mel spectrogram ``(T, 64)`` float32, T >= 96; picklable, holds no model."""

    read: WavReader = WavReader()

    def __call__(self, sample: Sample) -> np.ndarray:
        return log_mel(repeat_short(self.read(sample)))


class VggishExtractor(SoundModel):
    """Embeddings ``(n, 128)`` of a clip; `relu` keeps their positive part (folder ``vggish-relu``)."""

    def __init__(self, checkpoint: Path, level: str, device: torch.device, relu: bool = False) -> None:
        super().__init__(device)
        self.relu = relu
        self.hop = EXAMPLE_HOPS[level]  # frames of 10 ms
        self.outputs = (Output("vggish-relu" if relu else "vggish", WIDTH),)
        self.load = LogMelLoad()
        self.weights = checkpoint
        self.formula = f"VGGish embedding {'after' if relu else 'before'} its last ReLU, each {self.hop / 100:g} s"

    def prepare(self) -> None:
        """Load the network; raises `UserError` when the checkpoint cannot be used."""
        from feature_extraction.audio.vggish_network import load_vggish

        self.network = load_vggish(self.weights, self.relu).to(self.device)

    def extract(self, batch: Sequence[np.ndarray]) -> list[tuple[np.ndarray, ...]]:
        """Prepared spectrograms ``(T, 64)`` -> per clip ``(n, 128)`` float32."""
        import torch

        clips = [examples(spectrogram, self.hop) for spectrogram in batch]  # views: no memory
        rows: list[np.ndarray] = []
        with torch.inference_mode(), exact_convolutions(self.device):
            for chunk in _chunks(clips):
                rows.append(self.network(torch.from_numpy(chunk).to(self.device)).cpu().numpy())
        ends = np.cumsum([len(clip) for clip in clips])[:-1]
        return [(clip_rows,) for clip_rows in np.split(np.concatenate(rows), ends)]


def _chunks(clips: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """The examples of all clips, in order, as arrays ``(at most CHUNK, 96, 64)`` that reach over clip borders."""
    pending: list[np.ndarray] = []
    waiting = 0
    for clip in clips:
        start = 0
        while start < len(clip):
            part = clip[start : start + CHUNK - waiting]
            pending.append(part)
            waiting += len(part)
            start += len(part)
            if waiting == CHUNK:
                yield np.concatenate(pending)
                pending, waiting = [], 0
    if pending:
        yield np.concatenate(pending)
