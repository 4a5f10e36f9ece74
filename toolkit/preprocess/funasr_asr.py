"""Chinese by the package funasr: Paraformer (speech to text) and CT-Transformer (punctuation), from local folders.

Gao et al., "Paraformer: Fast and Accurate Parallel Transformer for Non-autoregressive End-to-End Speech Recognition"
(2022); Chen et al., "Controllable Time-Delay Transformer for Real-Time Punctuation Prediction" (2020). The package is
optional (extra ``asr``). It is given one piece at a time: of a batch without speech it returns one result for all.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.preprocess.chunks import speech_chunks
from toolkit.preprocess.media import SAMPLE_RATE
from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    import torch

CHINESE = ("chinese", "zh", "mandarin")
# A blank between two characters of Chinese writing (its punctuation included) means nothing; between words it does.
_INNER_BLANK = re.compile(
    r"(?<=[\u3000-\u303f\u3400-\u9fff\uff00-\uffef])\s+(?=[\u3000-\u303f\u3400-\u9fff\uff00-\uffef])"
)


def check_chinese(language: str) -> None:
    """Raises `UserError` for any other language."""
    if language.lower() not in CHINESE:
        raise UserError(f"--language {language}: Paraformer knows Chinese; take --backend whisper for others")


def load_model(folder: Path, device: torch.device) -> Any:
    """The funasr model of a local folder (``config.yaml``, ``model.pt``).

    Raises:
        UserError: funasr is not installed, or cannot load the folder.
    """
    import torch

    try:
        from funasr import AutoModel
    except ImportError as error:
        raise UserError(
            f"{folder.name} needs the package funasr, which cannot be imported ({error}); install the extra: "
            "pip install '.[asr]'"
        ) from error
    try:
        model = AutoModel(
            model=str(folder),
            device=str(device),
            ncpu=torch.get_num_threads(),  # funasr would set the number of threads to 4
            disable_update=True,  # no look at the network
            disable_pbar=True,
            log_level="ERROR",
        )
    except Exception as error:  # funasr raises what it likes, asserts included
        raise UserError(f"{folder}: funasr cannot load it ({' '.join(str(error).split())})") from error
    logging.getLogger().setLevel(logging.WARNING)  # funasr turns the whole program's log on
    return model


class CtPunctuation:
    """Puts Chinese punctuation into texts without any."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        self.model = load_model(folder, device)

    def punctuate(self, text: str) -> str:
        """`text` with punctuation; an empty one stays empty."""
        if not text.strip() or text.startswith(("http://", "https://")):  # funasr would fetch an address
            return text
        results = self.model.generate([text])  # in a list: a bare text may be taken for a file's name
        return without_inner_blanks(str(results[0]["text"]))


class ParaformerTranscriber:
    """Waveforms to Chinese texts, with punctuation when `punctuation` is given.

    Raises:
        UserError: another language is asked for, funasr is missing, or the folder cannot be used.
    """

    def __init__(
        self,
        model_dir: Path,
        device: torch.device,
        language: str | None = None,
        punctuation: CtPunctuation | None = None,
    ) -> None:
        if language:
            check_chinese(language)
        self.model = load_model(model_dir, device)
        self.punctuation = punctuation

    def transcribe(self, waveforms: Sequence[np.ndarray], batch_size: int = 8) -> list[str]:
        """Texts of 16 kHz mono float32 waveforms ``(n,)``, one after the other. Silence gives ""."""
        texts = [without_inner_blanks(" ".join(map(self._text, speech_chunks(wave)))) for wave in waveforms]
        return [self.punctuation.punctuate(text) if self.punctuation else text for text in texts]

    def _text(self, piece: np.ndarray) -> str:
        results = self.model.generate([np.ascontiguousarray(piece, dtype=np.float32)], fs=SAMPLE_RATE)
        return str(results[0].get("text", "")) if results else ""


def without_inner_blanks(text: str) -> str:
    """`text` without blanks between Chinese characters, at the ends, or more than one in a row."""
    return _INNER_BLANK.sub("", " ".join(text.split()))
