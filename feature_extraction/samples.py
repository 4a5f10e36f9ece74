"""The samples of a corpus, per modality, always in name order."""

from __future__ import annotations

from pathlib import Path

from feature_extraction.contract import Sample
from toolkit.globals import CorpusPaths
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv


def audio_samples(folder: Path) -> list[Sample]:
    """One sample per ``<name>.wav`` in `folder`."""
    _require_folder(folder, "make it with `./run-mer2024.sh preprocess`")
    samples = [Sample(path.stem, path) for path in folder.iterdir() if path.suffix.lower() == ".wav" and _shown(path)]
    return _require_some(sorted(samples, key=lambda sample: sample.name), folder, "*.wav")


def face_samples(folder: Path) -> list[Sample]:
    """One sample per ``<name>/<name>.npy`` in `folder`."""
    _require_folder(folder, "make it with `./run-mer2024.sh faces`")
    samples = [Sample(path.name, path / f"{path.name}.npy") for path in folder.iterdir() if _shown(path)]
    samples = [sample for sample in samples if sample.path is not None and sample.path.exists()]
    return _require_some(sorted(samples, key=lambda sample: sample.name), folder, "<name>/<name>.npy")


def text_samples(transcript: Path, column: str) -> list[Sample]:
    """One sample per row of the transcript csv; an empty cell is an empty text."""
    if not transcript.exists():
        raise UserError(f"{transcript} does not exist; make it with `./run-mer2024.sh asr`")
    rows = read_csv(transcript, required=("name", column), unique="name")
    for row in rows:
        if "/" in row["name"] or row["name"].startswith("."):
            raise UserError(f"{transcript}: name {row['name']!r} cannot be a file name; no / and no leading . please")
    samples = [Sample(row["name"], None, row[column]) for row in rows]
    return _require_some(sorted(samples, key=lambda sample: sample.name), transcript, "rows")


def corpus_samples(paths: CorpusPaths, modality: str, language: str = "chinese") -> list[Sample]:
    """Samples of one modality of a corpus: "audio", "visual" or "text" (column `language`)."""
    if modality == "audio":
        return audio_samples(paths.audio)
    if modality == "visual":
        return face_samples(paths.face)
    return text_samples(paths.transcript, language)


def _shown(path: Path) -> bool:
    return not path.name.startswith(".")


def _require_folder(folder: Path, hint: str) -> None:
    if not folder.is_dir():
        raise UserError(f"{folder} does not exist; {hint}, or point --data_root at your data")


def _require_some(samples: list[Sample], place: Path, what: str) -> list[Sample]:
    if not samples:
        raise UserError(f"{place} holds no {what}")
    return samples
