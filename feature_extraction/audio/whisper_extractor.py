"""Whisper: the decoder's last hidden state for two start tokens over the encoder's 30 s window, ``(2, D)``.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", ICML 2023. A clip longer than 30 s is cut
to its first 30 s, a shorter one is padded with silence, as the model's own feature extractor does; so every clip has
the same shape and batches need no padding of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feature_extraction.audio.wav_reader import SAMPLE_RATE, WavReader
from feature_extraction.contract import Extractor, Output, Sample
from feature_extraction.huggingface_folder import load_model, require_model_type
from toolkit.utils.errors import UserError
from toolkit.utils.quiet import quiet_transformers

if TYPE_CHECKING:
    import torch

START_TOKENS = 2  # length of the decoder's input


class LogMelLoad:
    """Sample -> log-mel ``(mels, 3000)`` float32 of the first 30 s; picklable, holds the settings only."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoFeatureExtractor

        with quiet_transformers():
            try:
                self.front_end = AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
            except (OSError, ValueError) as error:
                reason = " ".join(str(error).split())
                raise UserError(
                    f"{folder}: no usable preprocessor_config.json ({reason}); download it again"
                ) from error
        if self.front_end.sampling_rate != SAMPLE_RATE:
            raise UserError(f"{folder}: wants {self.front_end.sampling_rate} Hz; only {SAMPLE_RATE} Hz is supported")
        self.read = WavReader()

    def __call__(self, sample: Sample) -> np.ndarray:
        wave = self.read(sample)[: self.front_end.n_samples]
        return self.front_end(wave, sampling_rate=SAMPLE_RATE, return_tensors="np").input_features[0]


class WhisperExtractor(Extractor):
    """Features of a Whisper folder (any size): one row per start token, width d_model."""

    modality = "audio"

    def __init__(self, folder: Path, stem: str, device: torch.device) -> None:
        from transformers import WhisperModel

        require_model_type(folder, ("whisper",))
        self.model = load_model(WhisperModel, folder, device)
        self.outputs = (Output(stem, self.model.config.d_model),)
        self.load = LogMelLoad(folder)

    def extract(self, batch: Sequence[np.ndarray]) -> list[tuple[np.ndarray, ...]]:
        """Prepared log-mels ``(mels, 3000)`` -> ``(2, D)`` each."""
        import torch

        log_mel = torch.from_numpy(np.stack(batch)).to(self.model.device)  # (B, mels, 3000)
        start = torch.full((len(batch), START_TOKENS), self.model.config.decoder_start_token_id, device=log_mel.device)
        with torch.inference_mode():
            rows = self.model(input_features=log_mel, decoder_input_ids=start, use_cache=False).last_hidden_state
        return [(clip,) for clip in rows.float().cpu().numpy()]  # (B, 2, D)
