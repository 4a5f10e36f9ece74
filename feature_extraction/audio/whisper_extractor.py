"""Whisper: the decoder's last hidden state for two start tokens over the encoder's 30 s window, ``(2, D)``.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", ICML 2023. A clip longer than 30 s is cut
to its first 30 s, a shorter one is padded with silence, as the model's own feature extractor does; so every clip has
the same shape and batches need no padding of ours.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feature_extraction.audio.speech_extractor import PREPROCESSOR_FILE, exact_convolutions
from feature_extraction.audio.wav_reader import SAMPLE_RATE, WavReader
from feature_extraction.contract import Extractor, Output, Sample, batches_of
from feature_extraction.huggingface_folder import load_model, read_config, require_files, require_model_type
from feature_extraction.notes import note
from toolkit.utils.errors import UserError
from toolkit.utils.quiet import quiet_transformers

if TYPE_CHECKING:
    import torch

START_TOKENS = 2  # length of the decoder's input
WINDOW = 30.0  # seconds
CPU_WINDOWS = 4.0  # that go through a CPU together


class LogMelLoad:
    """Sample -> log-mel ``(mels, 3000)`` float32 of the first 30 s; picklable, holds the settings only."""

    def __init__(self, folder: Path) -> None:
        require_files(folder, PREPROCESSOR_FILE)
        from transformers import AutoFeatureExtractor

        with quiet_transformers():
            try:
                self.front_end = AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
            except (OSError, ValueError) as error:
                reason = " ".join(str(error).split())
                raise UserError(f"{folder}: no usable {PREPROCESSOR_FILE} ({reason}); download it again") from error
        if self.front_end.sampling_rate != SAMPLE_RATE:
            raise UserError(f"{folder}: wants {self.front_end.sampling_rate} Hz; only {SAMPLE_RATE} Hz is supported")
        self.read = WavReader(max_seconds=WINDOW + 0.1)

    def __call__(self, sample: Sample) -> np.ndarray:
        wave = self.read(sample)
        if len(wave) > self.front_end.n_samples:
            note("longer than 30 s: Whisper sees the first 30 s")
        wave = wave[: self.front_end.n_samples]
        return self.front_end(wave, sampling_rate=SAMPLE_RATE, return_tensors="np").input_features[0]


class WhisperExtractor(Extractor):
    """Features of a Whisper folder (any size): one row per start token, width d_model.

    Raises:
        UserError: the folder is incomplete, or of another model.
    """

    modality = "audio"
    formula = "decoder's last hidden state of 2 start tokens; first 30 s"
    replica_pays = 300.0  # windows

    def __init__(self, folder: Path, stem: str, device: torch.device, dtype: str = "float32") -> None:
        require_model_type(folder, ("whisper",))
        self.folder, self.device, self.dtype = folder, device, dtype
        self.weights = folder
        self.outputs = (Output(stem, read_config(folder)["d_model"]),)
        self.load = LogMelLoad(folder)
        if device.type == "cpu":
            self.replica = functools.partial(WhisperExtractor, folder, stem, device, dtype)
        else:
            self.default_workers = 4

    def prepare(self) -> None:
        """Load the model.

        Raises:
            UserError: its weights cannot be loaded.
        """
        from transformers import WhisperModel

        self.model = load_model(WhisperModel, self.folder, self.device, dtype=self.dtype)

    def cost(self, sample: Sample) -> float:
        """One window, whatever the clip's length."""
        return 1.0

    def plan(self, samples: Sequence[Sample], batch_size: int, budget: float | None = None) -> list[list[Sample]]:
        """At most `batch_size` windows, and `budget` seconds of windows."""
        windows = CPU_WINDOWS if self.device.type == "cpu" else None
        return batches_of(samples, self.cost, batch_size, budget / WINDOW if budget else windows)

    def extract(self, batch: Sequence[np.ndarray]) -> list[tuple[np.ndarray, ...]]:
        """Prepared log-mels ``(mels, 3000)`` -> ``(2, D)`` each."""
        import torch

        log_mel = torch.from_numpy(np.stack(batch)).to(self.device, self.model.dtype)  # (B, mels, 3000)
        start = torch.full((len(batch), START_TOKENS), self.model.config.decoder_start_token_id, device=self.device)
        with torch.inference_mode(), exact_convolutions(self.device):
            rows = self.model(input_features=log_mel, decoder_input_ids=start, use_cache=False).last_hidden_state
        return [(clip,) for clip in rows.float().cpu().numpy()]  # (B, 2, D)
