"""What a speech encoder is given: the model's own normalisation, then blocks of at most 10 s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from feature_extraction.audio.wav_reader import SAMPLE_RATE, WavReader
from feature_extraction.contract import Sample
from feature_extraction.notes import note

BLOCK_SAMPLES = 10 * SAMPLE_RATE  # longer clips are cut, the last block padded with zeros; its frames count
VARIANCE_FLOOR = 1e-7  # of the Wav2Vec2FeatureExtractor, so that silence stays silence


@dataclass(frozen=True)
class SpeechLoad:
    """Sample -> normalised wave ``(n,)`` float32 of at least `shortest` samples; picklable, needs no transformers.

    `normalise`: zero mean and unit variance over the whole clip, the ``do_normalize`` of preprocessor_config.json.
    """

    normalise: bool
    shortest: int

    def __call__(self, sample: Sample) -> np.ndarray:
        wave = WavReader()(sample)
        if self.normalise:
            wave -= wave.mean()  # in place: a long clip is not copied
            wave /= np.float32(np.sqrt(_mean_square(wave) + VARIANCE_FLOOR))
        if len(wave) < self.shortest:
            note(
                f"shorter than the model's receptive field of {1000 * self.shortest / SAMPLE_RATE:.0f} ms: zero-padded"
            )
            wave = np.pad(wave, (0, self.shortest - len(wave)))
        return wave


def _mean_square(wave: np.ndarray) -> float:
    total = 0.0
    for start in range(0, len(wave), BLOCK_SAMPLES):
        block = wave[start : start + BLOCK_SAMPLES].astype(np.float64)
        total += float(block @ block)
    return total / len(wave)


def receptive_field(kernels: Sequence[int], strides: Sequence[int], frames: int = 1) -> int:
    """Samples that `frames` frames of a stack of convolutions see, 400 for one frame of the usual seven layers."""
    samples = frames
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        samples = (samples - 1) * stride + kernel
    return samples


def blocks(wave: np.ndarray) -> list[np.ndarray]:
    """The wave itself when it lasts 10 s at most, else blocks of 10 s, the last one padded with zeros."""
    if len(wave) <= BLOCK_SAMPLES:
        return [wave]
    starts = range(0, len(wave), BLOCK_SAMPLES)
    cut = [wave[start : start + BLOCK_SAMPLES] for start in starts]  # views: a long clip is not copied
    cut[-1] = np.pad(cut[-1], (0, BLOCK_SAMPLES - len(cut[-1])))
    return cut


def grouped(lengths: Sequence[int], budget: int, mixed: bool) -> list[list[int]]:
    """Positions of the pieces that go through the model together, the longest first.

    A group holds `budget` samples at most after padding to its longest piece (or one piece), and pieces of one length
    only unless `mixed`: then down to half the longest, since padding is computed, too.
    """
    groups: list[list[int]] = []
    for position in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        if groups:
            longest = lengths[groups[-1][0]]
            fits = (len(groups[-1]) + 1) * longest <= budget
            if fits and (2 * lengths[position] >= longest if mixed else lengths[position] == longest):
                groups[-1].append(position)
                continue
        groups.append([position])
    return groups
