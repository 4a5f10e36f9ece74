"""The noise files: listed once a run, shared by all workers, read piece by piece where they lie.

MUSAN's speech subset is 60 hours (7 GB), so it is never loaded: a piece is read at its offset, and the system's file
cache keeps what is used again. Files that are not 16 kHz mono PCM16 (wav or flac) cannot be read like that; they are
converted once, at the start, into a folder that is removed with the run.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolkit.noise.draw import Piece, list_digest
from toolkit.noise.noise_files import NOISE_HINT, NOISE_SUFFIXES, direct_samples, sound_files
from toolkit.preprocess.batch import BatchReport, Job, printable, run_jobs
from toolkit.preprocess.media import SAMPLE_RATE, MediaError, extract_audio_16k
from toolkit.utils.errors import UserError

_LEAST_SECONDS = 1  # of noise in all


@dataclass(frozen=True)
class NoisePool:
    """Noise files, sorted by path.

    Attributes:
        files: (path relative to the noise root, in posix form; samples at 16 kHz).
        places: where each of them is read: itself, or its converted copy.
        digest: identity of `files`, see `draw.list_digest`.
        notes: what is to be said about the folder: conversions, files left out.
    """

    files: tuple[tuple[str, int], ...]
    places: dict[str, Path]
    digest: str
    notes: tuple[str, ...] = ()

    def read(self, pieces: Sequence[Piece]) -> np.ndarray:
        """The pieces joined, int16.

        Raises:
            UserError: a file is not in the pool.
            MediaError: a file is shorter than the piece or cannot be read.
        """
        import soundfile

        joined = np.empty(sum(piece.samples for piece in pieces), np.int16)
        position = 0
        for piece in pieces:
            if piece.file not in self.places:
                raise UserError(f"noise file {piece.file} is not in the noise folder; give its --noise_root")
            place = self.places[piece.file]
            try:
                with soundfile.SoundFile(place) as file:
                    file.seek(piece.start)
                    samples = file.read(piece.samples, dtype="int16")
            except (soundfile.SoundFileError, OSError) as error:
                raise MediaError(f"noise file {place} cannot be read: {error}") from error
            if len(samples) != piece.samples:
                raise MediaError(f"noise file {place} ended early; it was changed during the run or is another file")
            joined[position : position + piece.samples] = samples
            position += piece.samples
        return joined


def open_pool(
    root: Path, scratch: Path, only: Collection[str] | None = None, num_workers: int | None = None
) -> NoisePool:
    """List the sound files below `root` (nested folders too), converting into `scratch` what has to be.

    Args:
        only: relative paths; leave the other files out (repeating a manifest).

    Raises:
        UserError: no such folder, less than a second of usable noise in it, or files of `only` that are not there or
            cannot be used; says where noise can be had.
    """
    found, notes = sound_files(root)
    if only is not None:
        found = {relative: path for relative, path in found.items() if relative in only}
    if not found:
        raise UserError(f"--noise_root {root} holds no noise ({', '.join(NOISE_SUFFIXES)}): {NOISE_HINT}")
    lengths = {}
    for relative, path in list(found.items()):
        try:
            lengths[relative] = direct_samples(path)
        except MediaError as error:
            notes.append(f"noise file left out: {relative}: {error}")
            del found[relative]
    odd = sorted(relative for relative, samples in lengths.items() if samples is None)
    places = dict(found)
    if odd:
        converted, report = _convert({relative: found[relative] for relative in odd}, scratch, num_workers)
        places |= converted
        lengths |= {relative: direct_samples(path) for relative, path in converted.items()}
        notes.append(
            f"noise: {len(converted)} of {len(found)} files are not 16 kHz mono PCM16 (e.g. {odd[0]}); converted for "
            "this run"
        )
        notes += [f"noise file left out: {relative}: {reason}" for relative, reason in report.failures]
        notes += [f"noise file converted as far as it goes: {relative}: {text}" for relative, text in report.warnings]
    files = tuple((relative, samples) for relative, samples in sorted(lengths.items()) if samples)
    empty = sorted(relative for relative, samples in lengths.items() if samples == 0)
    notes += [f"noise file left out: {relative}: it is empty" for relative in empty]
    _check_enough(root, files, only, notes)
    return NoisePool(files, {relative: places[relative] for relative, _ in files}, list_digest(files), tuple(notes))


def _check_enough(
    root: Path, files: Sequence[tuple[str, int]], only: Collection[str] | None, notes: Sequence[str]
) -> None:
    """Raises `UserError` for less than a second of noise, or files of `only` that are missing."""
    seconds = sum(samples for _, samples in files) / SAMPLE_RATE
    if only is None and seconds < _LEAST_SECONDS:
        told = "".join(f"; {printable(note)}" for note in notes[:3])
        raise UserError(
            f"--noise_root {root}: {seconds:.2f} s of usable noise in {len(files)} files is too little{told}"
        )
    lacking = sorted(set(only or ()) - {relative for relative, _ in files})
    if lacking:
        told = "".join(f"; {note}" for note in notes if lacking[0] in note)
        first = f"{lacking[0]}{told}"
        raise UserError(f"--noise_root {root} lacks {len(lacking)} noise files that the manifest names, e.g. {first}")


def _convert(files: dict[str, Path], scratch: Path, num_workers: int | None) -> tuple[dict[str, Path], BatchReport]:
    jobs = [Job(relative, path, scratch / f"{number:06d}.wav") for number, (relative, path) in enumerate(files.items())]
    report = run_jobs(
        jobs, lambda job, stop: extract_audio_16k(job.source, job.target, stop), "noise files", num_workers=num_workers
    )
    return {job.name: job.target for job in jobs if job.target.exists()}, report
