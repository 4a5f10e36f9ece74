"""emotion2vec: 768 values at 50 Hz (FRAME) or for the clip (UTTERANCE), computed by the funasr package.

Ma et al., "emotion2vec: Self-Supervised Pre-Training for Speech Emotion Representation", Findings of ACL 2024. funasr
computes clips one after the other, normalises each over its own samples, and averages frames for the utterance.
Clips shorter than the network's receptive field (400 samples, 25 ms) get zeros at the end, up to that.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feature_extraction.audio.sound_model import SoundModel
from feature_extraction.audio.wav_reader import WavReader
from feature_extraction.contract import Output, Sample, SampleError
from feature_extraction.notes import note
from toolkit.globals import PATH_TO_PRETRAINED_MODELS
from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    import torch

WIDTH = 768
RECEPTIVE_FIELD = 400  # samples
MODELS = {False: "iic/emotion2vec_base", True: "iic/emotion2vec_base_finetuned"}  # ModelScope ids, by --finetune
GRANULARITY = {"UTTERANCE": "utterance", "FRAME": "frame"}  # funasr's words


def feature_stem(finetune: bool) -> str:
    """``emotion2vec``, or ``emotion2vec-finetune``."""
    return "emotion2vec-finetune" if finetune else "emotion2vec"


def find_model(finetune: bool, model_dir: str | Path | None = None, tools: Path | None = None) -> Path:
    """The model's folder: `model_dir`, or below tools/ ``emotion2vec[-finetune]`` or ``emotion2vec_base[_finetuned]``.

    Raises:
        UserError: it is missing, or lacks its configuration or weights (funasr would go on with random weights).
    """
    shelf = tools or PATH_TO_PRETRAINED_MODELS
    hub_name = MODELS[finetune].rsplit("/", 1)[-1]
    places = [Path(model_dir).expanduser()] if model_dir else [shelf / feature_stem(finetune), shelf / hub_name]
    for folder in places:
        if (folder / "config.yaml").is_file() and any(folder.glob("*.pt")):
            return folder
    wanted = " or ".join(str(place) for place in places)
    raise UserError(
        f"{wanted}: no folder with config.yaml and a .pt file; download {MODELS[finetune]} from modelscope.cn into it"
    )


@dataclass(frozen=True)
class WaveLoad:
    """Sample -> wave ``(n,)`` float32 at 16 kHz, n >= 400; picklable."""

    read: WavReader = WavReader()

    def __call__(self, sample: Sample) -> np.ndarray:
        wave = self.read(sample)
        if len(wave) < RECEPTIVE_FIELD:
            note("shorter than emotion2vec's receptive field of 25 ms: zeros added")
        return np.pad(wave, (0, max(0, RECEPTIVE_FIELD - len(wave))))


class Emotion2vecExtractor(SoundModel):
    """Embeddings ``(T, 768)``, or ``(1, 768)`` at UTTERANCE."""

    formula = "emotion2vec, last layer (funasr)"

    def __init__(self, folder: Path, level: str, device: torch.device, finetune: bool = False) -> None:
        super().__init__(device)
        self.weights = folder
        self.granularity = GRANULARITY[level]
        self.outputs = (Output(feature_stem(finetune), WIDTH),)
        self.load = WaveLoad()

    def prepare(self) -> None:
        """Load the model with funasr.

        Raises:
            UserError: funasr is not installed, or does not load the folder.
        """
        import torch

        try:
            from funasr import AutoModel
        except ImportError as error:
            raise UserError(
                f"emotion2vec needs the package funasr, which cannot be imported ({error}); install the extra: "
                "pip install '.[emotion2vec]'"
            ) from error
        try:
            self.model = AutoModel(
                model=str(self.weights),
                device=str(self.device),
                ncpu=torch.get_num_threads(),  # funasr would set the number of threads to 4
                disable_update=True,  # no look at the network
                disable_pbar=True,
                log_level="ERROR",
            )
        except Exception as error:  # funasr raises what it likes, asserts included
            raise UserError(f"{self.weights}: funasr cannot load it ({' '.join(str(error).split())})") from error
        logging.getLogger().setLevel(logging.WARNING)  # funasr turns the whole program's log on

    def extract(self, batch: Sequence[np.ndarray]) -> list[tuple[np.ndarray, ...]]:
        """Waves ``(n,)`` -> ``(T, 768)`` float32 each."""
        rows = []
        for wave in batch:
            results = self.model.generate([wave], granularity=self.granularity, extract_embedding=True, fs=16000)
            if not results or "feats" not in results[0]:
                raise SampleError("funasr gave no embedding")
            rows.append((np.asarray(results[0]["feats"], np.float32).reshape(-1, WIDTH),))
        return rows
