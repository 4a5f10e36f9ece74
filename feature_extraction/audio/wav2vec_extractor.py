"""wav2vec 1.0 large: two features of a clip, z (``wav2vec-large-z``) and c (``wav2vec-large-c``), 512 x 100 Hz.

The networks normalise over a whole clip, so nothing may be padded: clips of equal length share a batch, the others go
alone (see `wav2vec_network`). Clips under 465 samples (29 ms) get zeros at the end, up to that. Longer than
`MAX_SECONDS` is refused: memory grows with the clip, and it cannot be cut without changing the numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feature_extraction.audio.sound_model import SoundModel
from feature_extraction.audio.speech_extractor import exact_convolutions
from feature_extraction.audio.wav_reader import SAMPLE_RATE, WavReader
from feature_extraction.contract import Output, Sample, SampleError
from feature_extraction.notes import note
from toolkit.globals import PATH_TO_PRETRAINED_MODELS
from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    import torch

CHECKPOINT = "wav2vec/wav2vec_large.pt"
URL_HINT = "wav2vec_large.pt of fairseq (github.com/facebookresearch/fairseq, examples/wav2vec)"
WIDTH = 512
RECEPTIVE_FIELD = 465  # samples
MAX_SECONDS = 600.0  # 10 minutes: about 10 GB
GROUP_SECONDS = 60.0  # equal-length clips that go through the network together, in seconds of sound


@dataclass(frozen=True)
class WaveLoad:
    """Sample -> wave ``(n,)`` float32 at 16 kHz, 465 <= n <= 16000 `max_seconds`; picklable."""

    max_seconds: float = MAX_SECONDS

    @property
    def read(self) -> WavReader:
        """The reader, which stops a second after the limit: a file of hours is not read whole to be refused."""
        return WavReader(max_seconds=self.max_seconds + 1)

    def __call__(self, sample: Sample) -> np.ndarray:
        wave = self.read(sample)
        if len(wave) > self.max_seconds * SAMPLE_RATE:
            raise SampleError(
                f"{sample.path}: longer than {self.max_seconds:g} s; wav2vec needs a clip whole, at about 1 GB of "
                "memory per minute: cut the clip, or raise --max_seconds"
            )
        if len(wave) < RECEPTIVE_FIELD:
            note("shorter than wav2vec's receptive field of 29 ms: zeros added")
        return np.pad(wave, (0, max(0, RECEPTIVE_FIELD - len(wave))))


def find_checkpoint(path: str | Path | None = None) -> Path:
    """The checkpoint file: `path`, or tools/wav2vec/wav2vec_large.pt.

    Raises:
        UserError: it does not exist; the message says what to put there.
    """
    found = Path(path).expanduser() if path else PATH_TO_PRETRAINED_MODELS / CHECKPOINT
    if not found.is_file():
        raise UserError(f"{found} does not exist; put {URL_HINT} there, or name it with --checkpoint")
    return found


class Wav2VecExtractor(SoundModel):
    """z and c, ``(T, 512)`` each."""

    formula = "wav2vec 1.0 large, whole clip: feature encoder (z), context network (c)"
    outputs = (Output("wav2vec-large-z", WIDTH), Output("wav2vec-large-c", WIDTH))

    def __init__(self, checkpoint: Path, device: torch.device, max_seconds: float = MAX_SECONDS) -> None:
        super().__init__(device)
        self.load = WaveLoad(max_seconds)
        self.weights = checkpoint

    def prepare(self) -> None:
        """Load the network; raises `UserError` when the checkpoint cannot be used."""
        from feature_extraction.audio.wav2vec_network import load_wav2vec

        self.network = load_wav2vec(self.weights).to(self.device)

    def extract(self, batch: Sequence[np.ndarray]) -> list[tuple[np.ndarray, ...]]:
        """Waves ``(n,)`` -> per clip z and c, ``(T, 512)`` float32 each."""
        import torch

        results: list[tuple[np.ndarray, ...]] = [()] * len(batch)
        with torch.inference_mode(), exact_convolutions(self.device):
            for group in equal_lengths(batch):
                waves = torch.from_numpy(np.stack([batch[index] for index in group])).to(self.device)  # (B, n)
                z, c = (rows.cpu().numpy() for rows in self.network(waves))  # (B, T, 512)
                for row, index in enumerate(group):
                    results[index] = (z[row], c[row])
        return results


def equal_lengths(waves: Sequence[np.ndarray]) -> list[list[int]]:
    """Places of waves in groups of one length, each of at most `GROUP_SECONDS` of sound (or a single wave)."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for index, wave in enumerate(waves):
        by_length[len(wave)].append(index)
    groups = []
    for length, places in by_length.items():
        size = max(1, int(GROUP_SECONDS * SAMPLE_RATE / length))
        groups += [places[start : start + size] for start in range(0, len(places), size)]
    return groups
