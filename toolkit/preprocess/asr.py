"""Transcripts: a folder of wav files -> csv (name, sentence), and the merge with transcripts that people checked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from toolkit.preprocess.asr_backends import Transcriber
from toolkit.preprocess.asr_backends import build_transcriber as build_transcriber  # offered here, too
from toolkit.preprocess.asr_backends import resolve_model_dir as resolve_model_dir
from toolkit.preprocess.batch import BatchReport, printable
from toolkit.preprocess.media import SAMPLE_RATE, MediaError, media_files
from toolkit.utils import atomic
from toolkit.utils.errors import UserError
from toolkit.utils.progress import progress_bar
from toolkit.utils.read_files import read_csv, write_csv

COLUMNS = ("name", "sentence")
SAVE_SECONDS = 10.0  # between two writings of the csv: what a killed run loses at most
NO_SPEECH = "no speech was heard in it; its sentence is empty"


def read_waveform(path: Path) -> np.ndarray:
    """A sound file as 16 kHz mono float32 ``(n,)``, full scale 1; channels are averaged.

    Raises:
        MediaError: unreadable, or values that are not finite.
    """
    import soundfile
    import soxr

    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)  # (n, channels)
    except (soundfile.SoundFileError, OSError) as error:
        raise MediaError(f"{path}: not a readable sound file ({' '.join(str(error).split())})") from error
    if not np.isfinite(samples).all():
        raise MediaError(f"{path}: contains NaN or infinity")
    mono = samples.mean(axis=1, dtype=np.float32)
    return mono if rate == SAMPLE_RATE else soxr.resample(mono, rate, SAMPLE_RATE)


def transcribe_folder(
    audio_root: Path,
    csv_path: Path,
    build: Callable[[], Transcriber],
    *,
    batch_size: int = 8,
    overwrite: bool = False,
    progress: bool = True,
) -> BatchReport:
    """Transcribe every ``<name>.wav`` of `audio_root` into `csv_path`, rows in name order.

    Names that the csv has are skipped unless `overwrite`; the csv is rewritten every 10 s and whenever the run
    ends, so it can be stopped and started again. `build` makes the recogniser; it is not called when nothing is to do.
    A clip without speech has an empty sentence, and a warning in the report.

    Raises:
        UserError: no folder, no wav files, or a csv without the columns name and sentence.
    """
    if batch_size < 1:
        raise UserError(f"--batch_size {batch_size} is not at least 1")
    started = time.perf_counter()
    sounds = media_files(audio_root, (".wav",))
    if not sounds:
        raise UserError(f"{audio_root} holds no *.wav")
    rows: dict[str, str] = {}
    if csv_path.exists() and not overwrite:
        rows = {row["name"]: row["sentence"] for row in read_csv(csv_path, required=COLUMNS, unique="name")}
    todo = [path for path in sounds if path.stem not in rows]
    report = BatchReport(skipped=len(sounds) - len(todo))
    csv_path.parent.mkdir(parents=True, exist_ok=True)
    atomic.remove_orphans(csv_path.parent)
    recogniser = build() if todo else None
    with progress_bar(len(todo), "transcripts", enabled=progress) as bar:
        try:
            saved = time.monotonic()
            for start in range(0, len(todo), batch_size):
                batch = todo[start : start + batch_size]
                rows.update(_transcribe_batch(recogniser, batch, batch_size, report))
                bar.update(len(batch))
                if time.monotonic() - saved >= SAVE_SECONDS:
                    write_csv(csv_path, COLUMNS, sorted(rows.items()))
                    saved = time.monotonic()
        finally:
            write_csv(csv_path, COLUMNS, sorted(rows.items()))
    report.failures.sort()
    report.warnings.sort()
    report.seconds = time.perf_counter() - started
    return report


def _transcribe_batch(
    recogniser: Transcriber | None, paths: Sequence[Path], batch_size: int, report: BatchReport
) -> dict[str, str]:
    names, waveforms = [], []
    for path in paths:
        try:
            waveforms.append(read_waveform(path))
            names.append(path.stem)
        except Exception as error:  # one bad file must not stop the run: it is listed and tried again next time
            report.fail(path.stem, error)
    texts = recogniser.transcribe(waveforms, batch_size) if waveforms else []
    report.done += len(names)
    report.warnings += [(printable(name), NO_SPEECH) for name, text in zip(names, texts, strict=True) if not text]
    return dict(zip(names, texts, strict=True))


def merge_transcripts(new: Path, checked: Path | None, merged: Path, column: str = "chinese") -> tuple[int, list[str]]:
    """Write `merged` (name, `column`): for every clip of `new`, in name order, the checked text, else the ASR text.

    `checked` has the columns name and `column`, or else chinese, or else sentence; an empty cell there counts as not
    checked. Checked clips that `new` does not have are left out.

    Returns:
        How many texts are checked ones, and the names left out.

    Raises:
        UserError: a file or column is missing, a name repeats, `merged` is one of the files that are read, or `column`
            cannot be its second column.
    """
    _check_merge(new, checked, merged, column)
    sentences = {row["name"]: row["sentence"] for row in read_csv(new, required=COLUMNS, unique="name")}
    checked_texts: dict[str, str] = {}
    if checked is not None:
        rows = read_csv(checked, required=("name",), unique="name")
        choices = list(dict.fromkeys((column, "chinese", "sentence")))
        source = next((choice for choice in choices if rows and choice in rows[0]), None)
        if rows and source is None:
            raise UserError(f"{checked}: needs a column {' or '.join(choices)}; columns there: {', '.join(rows[0])}")
        checked_texts = {row["name"]: row[source] for row in rows if row[source].strip()}
    merged.parent.mkdir(parents=True, exist_ok=True)
    table = [(name, checked_texts.get(name, sentence)) for name, sentence in sorted(sentences.items())]
    write_csv(merged, ("name", column), table)
    return len(checked_texts.keys() & sentences.keys()), sorted(checked_texts.keys() - sentences.keys())


def _check_merge(new: Path, checked: Path | None, merged: Path, column: str) -> None:
    if not column.strip() or column == "name":
        raise UserError(f"--column {column!r}: no name for the column of the texts; write chinese or english, say")
    for flag, path in (("NEW", new), ("CHECKED", checked)):
        if path is not None and _one_file(path, merged):
            raise UserError(
                f"MERGED {merged} is the file {flag} {path}, which would be overwritten; name another file for MERGED"
            )


def _one_file(path: Path, other: Path) -> bool:
    """Whether two paths lead to one file, by links too; a file that is not there is compared by its place."""
    try:
        return path.samefile(other)
    except OSError:
        return path.resolve() == other.resolve()
