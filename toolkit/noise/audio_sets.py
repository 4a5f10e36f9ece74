"""Audio-only sets: ``<audio_root>/<name>.wav`` -> ``<audio_root>_snr5/<name>.wav``, the folders of ``--noise_case``."""

from __future__ import annotations

from pathlib import Path

from toolkit.noise.clip_job import Settings
from toolkit.noise.noise_pool import NOISE_SUFFIXES
from toolkit.noise.run import corrupt_jobs
from toolkit.preprocess.batch import BatchReport, Job
from toolkit.preprocess.media import media_files
from toolkit.utils.errors import UserError


def noisy_audio_root(audio_root: Path, snrs: tuple[int, ...]) -> Path:
    """``<audio_root>_snr<s>`` for one SNR, ``<audio_root>_snrmix`` for several."""
    unique = sorted(set(snrs))
    return audio_root.with_name(f"{audio_root.name}_snr{unique[0] if len(unique) == 1 else 'mix'}")


def add_noise(
    audio_root: Path,
    snrs: tuple[int, ...],
    seed: int = 0,
    *,
    noise_root: Path | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> tuple[BatchReport, Path]:
    """Write the noisy copy of a folder of sounds, 16 kHz mono PCM16, with its own ``noise-info.csv``.

    Returns:
        The report, and the folder that was written.

    Raises:
        UserError: no sounds, no noise, or the folder holds clips of other settings.
    """
    audio_root = Path(audio_root).absolute()  # "." and "audio/" have no name of their own
    target = noisy_audio_root(audio_root, snrs)
    sounds = media_files(audio_root, NOISE_SUFFIXES)
    if not sounds:
        raise UserError(f"{audio_root} holds no sounds ({', '.join(NOISE_SUFFIXES)})")
    jobs = [Job(sound.stem, sound, target / f"{sound.stem}.wav") for sound in sounds]
    report = corrupt_jobs(
        jobs,
        target,
        Settings(seed, snrs),
        noise_root,
        target.name,
        workers=workers,
        overwrite=overwrite,
        progress=progress,
    )
    return report, target
