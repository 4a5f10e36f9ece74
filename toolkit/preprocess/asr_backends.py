"""ONE table of speech recognisers: where their models lie, how they are built. A new one is a new row and a module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from toolkit.globals import PATH_TO_PRETRAINED_MODELS
from toolkit.utils.device import resolve_device
from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    import torch

    from toolkit.preprocess.funasr_asr import CtPunctuation


class Transcriber(Protocol):
    """What a speech recogniser must do."""

    def transcribe(self, waveforms: Sequence[np.ndarray], batch_size: int) -> list[str]:
        """One text per 16 kHz mono float32 waveform ``(n,)``; "" for silence."""


@dataclass(frozen=True)
class Shelf:
    """Models of one kind: `folder` below tools/, the `marker` file of a model, the `default` one and its hub name."""

    folder: str
    marker: str
    default: str
    source: str


@dataclass(frozen=True)
class Backend:
    """A recogniser: its models, how one is built from (folder, device, language), and a check of a language.

    The check is for calls that come to the words late: `check_language` (folder, language) raises `UserError` for a
    language that the model surely lacks, without loading it.
    """

    shelf: Shelf
    build: Callable[[Path, torch.device, str | None], Transcriber]
    check_language: Callable[[Path, str], None]


def _whisper(folder: Path, device: torch.device, language: str | None) -> Transcriber:
    from toolkit.preprocess.whisper_asr import WhisperTranscriber

    return WhisperTranscriber(folder, device, language)


def _faster_whisper(folder: Path, device: torch.device, language: str | None) -> Transcriber:
    from toolkit.preprocess.faster_whisper_asr import FasterWhisperTranscriber

    return FasterWhisperTranscriber(folder, device, language)


def _funasr(folder: Path, device: torch.device, language: str | None) -> Transcriber:
    from toolkit.preprocess.funasr_asr import CtPunctuation, ParaformerTranscriber

    try:
        marks = resolve_model_dir(PUNCTUATION.default, PUNCTUATION)
    except UserError as error:
        print(f"note: transcripts get no punctuation: {error}")
        return ParaformerTranscriber(folder, device, language)
    return ParaformerTranscriber(folder, device, language, CtPunctuation(marks, device))


def _check_whisper(folder: Path, language: str) -> None:
    from toolkit.preprocess.whisper_asr import is_multilingual, language_code

    language_code(language, is_multilingual(folder))


def _check_faster_whisper(folder: Path, language: str) -> None:
    from toolkit.preprocess.whisper_asr import language_code

    language_code(language, multilingual=True)  # English-only ones are known when they are loaded


def _check_funasr(folder: Path, language: str) -> None:
    from toolkit.preprocess.funasr_asr import check_chinese

    check_chinese(language)


WHISPER = Shelf("transformers", "config.json", "whisper-tiny.en", "openai/whisper-large-v2 on huggingface.co")
PUNCTUATION = Shelf("funasr", "config.yaml", "ct-punc", "funasr/ct-punc on huggingface.co")
BACKENDS: dict[str, Backend] = {
    "whisper": Backend(WHISPER, _whisper, _check_whisper),
    "faster-whisper": Backend(
        Shelf("faster-whisper", "model.bin", "large-v3", "Systran/faster-whisper-large-v3 on huggingface.co"),
        _faster_whisper,
        _check_faster_whisper,
    ),
    "funasr": Backend(
        Shelf("funasr", "config.yaml", "paraformer-zh", "funasr/paraformer-zh on huggingface.co"),
        _funasr,
        _check_funasr,
    ),
}


def build_transcriber(backend: str, model_dir: str | None, gpu: int, language: str | None) -> Transcriber:
    """The recogniser called `backend`; without `model_dir` its default model.

    Raises:
        UserError: unknown backend, model or language; a package that is not installed.
    """
    if backend not in BACKENDS:
        raise UserError(f"--backend {backend}: unknown; known: {', '.join(BACKENDS)}")
    row = BACKENDS[backend]
    folder = resolve_model_dir(model_dir or row.shelf.default, row.shelf)
    return row.build(folder, resolve_device(gpu), language)


def build_punctuation(model_dir: str | None, gpu: int, language: str) -> CtPunctuation:
    """The model that restores punctuation.

    Raises:
        UserError: another language than Chinese, no model, or funasr is not installed.
    """
    from toolkit.preprocess.funasr_asr import CHINESE, CtPunctuation

    if language.lower() not in CHINESE:
        raise UserError(
            f"--language {language}: punctuation can be restored in Chinese only (funasr's ct-punc); the back ends "
            "whisper and faster-whisper write it themselves: transcribe with one of them instead"
        )
    return CtPunctuation(resolve_model_dir(model_dir or PUNCTUATION.default, PUNCTUATION), resolve_device(gpu))


def resolve_model_dir(model_dir: str, shelf: Shelf = WHISPER, flag: str = "--model_dir") -> Path:
    """The folder of a model: ``tools/...`` and bare names (on its shelf) below MER_TOOLS, or a path.

    `flag` is the one that chooses it, for the message.

    Raises:
        UserError: no such folder holds a model.
    """
    given = Path(model_dir).expanduser()
    below_tools = Path(*given.parts[1:]) if given.parts[:1] == ("tools",) else Path(shelf.folder) / given
    places = list(dict.fromkeys([PATH_TO_PRETRAINED_MODELS / below_tools, given]))
    for place in places:
        if (place / shelf.marker).is_file():
            return place
    raise UserError(
        f"no model ({shelf.marker}) in {model_dir}; looked at {', '.join(map(str, places))}; put one there "
        f"(such as {shelf.source}), or give {flag}"
    )
