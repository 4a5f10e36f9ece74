"""The samples of a corpus, per modality, always in name order."""

from __future__ import annotations

import os
import shlex
from itertools import pairwise
from pathlib import Path

from feature_extraction.contract import Sample
from feature_extraction.names import name_fault, printable
from toolkit.globals import CorpusPaths
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv

TTS_LANGUAGES = ("chi", "eng")


def audio_condition(audio: Path, noise_case: str | None, tts_lang: str | None) -> tuple[Path, str]:
    """Folder and infix of a condition: `audio` and "" when there is none.

    A noise case X: ``<audio>_X`` and ``noiseX``; synthetic speech: ``audio-tts<lang>16k`` beside it and ``tts<lang>``.

    Raises:
        UserError: both are given.
    """
    if noise_case and tts_lang:
        raise UserError(f"--noise_case {noise_case} and --tts_lang {tts_lang} name two different folders; give one")
    if noise_case:
        return audio.with_name(f"{audio.name}_{noise_case}"), f"noise{noise_case}"
    if tts_lang:
        return audio.with_name(f"audio-tts{tts_lang}16k"), f"tts{tts_lang}"
    return audio, ""


def missing_condition(plain: Path, folder: Path, noise_case: str | None) -> str:
    """What to tell of a condition's `folder` that does not exist: where it comes from."""
    if not noise_case:
        return (
            f"{folder} does not exist: --tts_lang reads synthetic speech from it, which this toolkit does not make; "
            "put <name>.wav files of a speech synthesis there, one per row of the transcript, or leave --tts_lang out"
        )
    snr = noise_case.removeprefix("snr")
    choice = snr if noise_case.startswith("snr") and snr.isdigit() else "5"
    others = sorted(path.name for path in plain.parent.glob(f"{plain.name}_*") if path.is_dir())
    cases = ", ".join(name.removeprefix(f"{plain.name}_") for name in others) or "none"
    return (
        f"{folder} does not exist: --noise_case {noise_case} reads noisy sound from it; make it with "
        f"`python main-noise.py add_noise_multiprocess {shlex.quote(str(plain))} --choice_snrs {choice}` "
        f"(which writes {plain.name}_snr{choice}); noise cases there: {cases}"
    )


def audio_samples(folder: Path) -> list[Sample]:
    """One sample per ``<name>.wav`` in `folder`.

    Raises:
        UserError: no such folder, no clip, or two files of one name (a.wav and a.WAV).
    """
    if not folder.is_dir():
        others = sorted(path.name for path in folder.parent.glob("*audio*") if path.is_dir())
        there = f" (audio folders there: {', '.join(others)})" if others else ""
        _require_folder(folder, f"make it with `./run-mer2024.sh preprocess`{there}")
    with os.scandir(folder) as entries:
        files = [entry.name for entry in entries if not entry.name.startswith(".")]
    pairs = sorted((Path(file).stem, file) for file in files if file[-4:].lower() == ".wav")
    for (name, file), (other, twin) in pairwise(pairs):
        if name == other:
            files = f"{printable(file)} and {printable(twin)}"
            raise UserError(f"{folder}: {files} are both the clip {printable(name)!r}; keep one of them")
    return _require_some([Sample(name, folder / file) for name, file in pairs], folder, "*.wav")


def face_samples(folder: Path) -> list[Sample]:
    """One sample per ``<name>/<name>.npy`` in `folder`."""
    _require_folder(folder, "make it with `./run-mer2024.sh faces`")
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    samples = [Sample(name, folder / name / f"{name}.npy") for name in names]
    return _require_some([sample for sample in samples if os.path.exists(sample.path)], folder, "<name>/<name>.npy")


def text_samples(transcript: Path, column: str) -> list[Sample]:
    """One sample per row of the transcript csv; an empty cell is an empty text.

    Raises:
        UserError: no such file, or a row that cannot be used; the message names file and line.
    """
    if not transcript.exists():
        raise UserError(f"{transcript} does not exist; make it with `./run-mer2024.sh asr`")
    rows = read_csv(transcript, required=("name", column), unique="name", fault=name_fault)
    samples = [Sample(row["name"], None, row[column]) for row in rows]
    return _require_some(sorted(samples, key=lambda sample: sample.name), transcript, "rows")


def corpus_samples(paths: CorpusPaths, modality: str, language: str = "chinese") -> list[Sample]:
    """Samples of one modality of a corpus: "audio", "visual" or "text" (column `language`)."""
    if modality == "audio":
        return audio_samples(paths.audio)
    if modality == "visual":
        return face_samples(paths.face)
    return text_samples(paths.transcript, language)


def _require_folder(folder: Path, hint: str) -> None:
    if not folder.is_dir():
        raise UserError(f"{folder} does not exist; {hint}, or point --data_root at your data")


def _require_some(samples: list[Sample], place: Path, what: str) -> list[Sample]:
    if not samples:
        raise UserError(f"{place} holds no {what}")
    return samples
