"""The noise files: listed once a run, shared by all workers, read piece by piece where they lie.

MUSAN's speech subset is 60 hours (7 GB), so it is never loaded: a piece is read at its offset, and the system's file
cache keeps what is used again. Files that are not 16 kHz mono PCM16 (wav or flac) cannot be read like that; they are
converted once, at the start, into a folder that is removed with the run.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolkit.globals import PATH_TO_NOISE
from toolkit.noise.draw import Piece, list_digest
from toolkit.preprocess.batch import Job, run_jobs
from toolkit.preprocess.media import SAMPLE_RATE, extract_audio_16k
from toolkit.utils.errors import UserError

NOISE_SUFFIXES = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus")
_HINT = (
    "the usual noise is the speech subset of MUSAN (resource 17 of OpenSLR); unpack its folder "
    f"speech/ as {PATH_TO_NOISE / 'speech'}, or name any folder of sound files with --noise_root"
)


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
            UserError: a file is not in the pool, is shorter than the piece or cannot be read.
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
                raise UserError(f"noise file {place} cannot be read: {error}") from error
            if len(samples) != piece.samples:
                raise UserError(f"noise file {place} ended early; it was changed during the run or is another file")
            joined[position : position + piece.samples] = samples
            position += piece.samples
        return joined


def default_noise_root() -> Path:
    """``tools/musan/speech`` (the speech subset), or ``tools/musan`` when it has no such folder."""
    return PATH_TO_NOISE / "speech" if (PATH_TO_NOISE / "speech").is_dir() else PATH_TO_NOISE


def open_pool(
    root: Path, scratch: Path, only: Collection[str] | None = None, num_workers: int | None = None
) -> NoisePool:
    """List the sound files below `root` (nested folders too), converting into `scratch` what has to be.

    Args:
        only: relative paths; leave the other files out (repeating a manifest).

    Raises:
        UserError: no such folder or nothing usable in it; says where noise can be had.
    """
    found = _sound_files(root)
    if only is not None:
        found = {relative: path for relative, path in found.items() if relative in only}
    if not found:
        raise UserError(f"{root} holds no noise ({', '.join(NOISE_SUFFIXES)}): {_HINT}")
    lengths = {relative: _direct_samples(path) for relative, path in found.items()}
    odd = sorted(relative for relative, samples in lengths.items() if samples is None)
    places, notes = dict(found), []
    if odd:
        converted, broken = _convert({relative: found[relative] for relative in odd}, scratch, num_workers)
        places |= converted
        lengths |= {relative: _direct_samples(path) for relative, path in converted.items()}
        notes.append(
            f"noise: {len(converted)} of {len(found)} files are not 16 kHz mono PCM16 (e.g. {odd[0]}); converted for "
            "this run"
        )
        notes += [f"noise file left out: {relative}: {reason}" for relative, reason in broken]
    files = tuple((relative, samples) for relative, samples in sorted(lengths.items()) if samples)
    empty = sorted(relative for relative, samples in lengths.items() if samples == 0)
    notes += [f"noise file left out: {relative}: it is empty" for relative in empty]
    if not files:
        raise UserError(f"{root}: none of {len(found)} noise files can be used; the first: {'; '.join(notes[-1:])}")
    return NoisePool(files, {relative: places[relative] for relative, _ in files}, list_digest(files), tuple(notes))


def _sound_files(root: Path) -> dict[str, Path]:
    if not root.is_dir():
        raise UserError(f"{root} is not a folder: {_HINT}")
    found = {}
    for folder, names, files in os.walk(root, followlinks=True):
        names[:] = [name for name in names if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in NOISE_SUFFIXES:
                path = Path(folder, name)
                found[path.relative_to(root).as_posix()] = path
    return found


def _direct_samples(path: Path) -> int | None:
    """Length of a file that can be read as it is; None for any other."""
    import soundfile

    try:
        info = soundfile.info(path)
    except soundfile.SoundFileError:
        return None
    plain = (info.samplerate, info.channels, info.subtype) == (SAMPLE_RATE, 1, "PCM_16")
    return info.frames if plain and info.format in ("WAV", "WAVEX", "FLAC") else None


def _convert(
    files: dict[str, Path], scratch: Path, num_workers: int | None
) -> tuple[dict[str, Path], list[tuple[str, str]]]:
    jobs = [Job(relative, path, scratch / f"{number:06d}.wav") for number, (relative, path) in enumerate(files.items())]
    report = run_jobs(
        jobs, lambda job, stop: extract_audio_16k(job.source, job.target, stop), "noise files", num_workers=num_workers
    )
    return {job.name: job.target for job in jobs if job.target.exists()}, report.failures
