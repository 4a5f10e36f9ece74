"""Audio-only sets: ``<audio_root>/<name>.wav`` -> ``<audio_root>_snr5/<name>.wav``, the folders of ``--noise_case``."""

from __future__ import annotations

import os
from pathlib import Path

from toolkit.noise.choices import check_snrs
from toolkit.noise.clip_job import Settings
from toolkit.noise.noise_files import NOISE_SUFFIXES
from toolkit.noise.repeat import drawn_from, listed_clips, read_repeat
from toolkit.noise.run import corrupt_jobs
from toolkit.preprocess.batch import BatchReport, Job
from toolkit.preprocess.media import media_files
from toolkit.utils.errors import UserError
from toolkit.utils.ray_engine import RayOptions


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
    from_manifest: Path | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
    ray: RayOptions | None = None,
) -> tuple[BatchReport, Path]:
    """Write the noisy copy of a folder of sounds, 16 kHz mono PCM16, with its own ``noise-info.csv``.

    Args:
        from_manifest: repeat the sounds of this ``noise-info.csv`` exactly, with its settings.
        ray: make the sounds on a Ray cluster instead of in processes of this machine.

    Returns:
        The report, and the folder that was written.

    Raises:
        UserError: no sounds, no noise, or the folder holds clips of other settings.
    """
    audio_root = Path(os.path.abspath(audio_root))  # "." and "audio/" have no name of their own
    given = None if from_manifest is None else read_repeat(from_manifest, pictures=False)
    snrs = snrs if given is None else drawn_from(given, from_manifest)
    check_snrs(snrs, "--choice_snrs")
    target = noisy_audio_root(audio_root, snrs)
    if not audio_root.is_dir():
        raise UserError(f"AUDIO_ROOT {audio_root} is not a folder")
    sounds = media_files(audio_root, NOISE_SUFFIXES)
    if not sounds:
        raise UserError(f"AUDIO_ROOT {audio_root} holds no sounds ({', '.join(NOISE_SUFFIXES)})")
    if given is not None:
        sounds = listed_clips(sounds, given, f"AUDIO_ROOT {audio_root}", from_manifest)
    jobs = [Job(sound.stem, sound, target / f"{sound.stem}.wav") for sound in sounds]
    report = corrupt_jobs(
        jobs,
        target,
        Settings(seed, snrs),
        noise_root,
        target.name,
        given,
        workers=workers,
        overwrite=overwrite,
        progress=progress,
        ray=ray,
    )
    return report, target
