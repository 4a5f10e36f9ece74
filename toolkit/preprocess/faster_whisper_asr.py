"""Transcription by the package faster-whisper: Whisper in CTranslate2, with a beam.

The package is optional (extra ``asr``). Its own cutting of long sound follows time stamps that the model writes; pieces
here are those of the other back ends (`toolkit.preprocess.chunks`), each decoded by itself: a piece's text does not
depend on what was said before. Without random retries (temperature 0) the same sound always gives the same text.

Imports transformers (names of languages); import this module where a model is needed only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

from toolkit.preprocess.chunks import speech_chunks
from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    import torch

BEAM = 5  # hypotheses kept; the package's own choice
# The paper's rule: a piece is silence when the model says so with more than the one and is less sure than the other.
SILENCE = {"no_speech_threshold": 0.6, "log_prob_threshold": -1.0}


class FasterWhisperTranscriber:
    """Waveforms to texts with a local CTranslate2 folder (``model.bin``, ``tokenizer.json``...).

    Args:
        model_dir: the folder.
        device: where to compute.
        language: name or code ("chinese", "zh") that a multilingual model is told; None lets it find out per piece.

    Raises:
        UserError: the package is missing, the folder or the GPU cannot be used, or the model lacks the language.
    """

    def __init__(self, model_dir: Path, device: torch.device, language: str | None = None) -> None:
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            raise UserError(
                f"--backend faster-whisper needs the package faster-whisper, which cannot be imported ({error}); "
                "install the extra: pip install '.[asr]', or take --backend whisper"
            ) from error
        try:
            self.model = WhisperModel(
                str(model_dir), device=device.type, device_index=device.index or 0, local_files_only=True
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise UserError(
                f"{model_dir}: faster-whisper cannot load it on {device} ({' '.join(str(error).split())}); it must be "
                "a Whisper converted to CTranslate2, and --gpu -1 uses the CPU"
            ) from error
        self.language = self._code(language)

    def transcribe(self, waveforms: Sequence[np.ndarray], batch_size: int = 8) -> list[str]:
        """Texts of 16 kHz mono float32 waveforms ``(n,)``, one after the other. Silence gives ""."""
        return [" ".join("".join(map(self._text, speech_chunks(waveform))).split()) for waveform in waveforms]

    def _text(self, piece: np.ndarray) -> str:
        segments, _ = self.model.transcribe(
            np.ascontiguousarray(piece, dtype=np.float32),
            language=self.language,
            beam_size=BEAM,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
            **SILENCE,
        )
        return "".join(segment.text for segment in segments)  # the model writes the blanks between words itself

    def _code(self, language: str | None) -> str | None:
        if not language:
            return None
        code = TO_LANGUAGE_CODE.get(language.lower(), language.lower())
        known = list(self.model.supported_languages)
        if code not in known:
            only = "this Whisper knows English only; choose a multilingual model" if known == ["en"] else "unknown"
            names = "" if known == ["en"] else f"; known: {', '.join(sorted(known))}"
            raise UserError(f"--language {language}: {only}{names}")
        return code
