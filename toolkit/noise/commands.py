"""What ``main-noise.py`` offers, from text arguments to printed reports.

Fire turns a folder named 2024 into a number, so arguments become text again here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2

from toolkit.noise.audio_sets import add_noise
from toolkit.noise.clip_job import Settings
from toolkit.noise.preview import draw_preview
from toolkit.noise.run import corrupt_videos
from toolkit.preprocess.batch import print_report
from toolkit.utils.errors import UserError
from toolkit.utils.ray_engine import RayOptions, ray_options


def corrupt_video_folder(
    video_root: str,
    save_root: str,
    debug: bool,
    noise_root: str,
    snrs: str,
    blurs: str,
    seed: int,
    workers: int | None,
    video_codec: str,
    from_manifest: str,
    overwrite: bool,
    ray: RayOptions | None = None,
) -> int:
    """`run.corrupt_videos`; returns the exit status."""
    if from_manifest:
        print("--from_manifest: its seed, SNRs, blurs and codec are used, not --seed, --snrs, --blurs, --video_codec")
    cv2.setNumThreads(1)  # clips run side by side instead
    target = Path(str(save_root))
    settings = Settings(
        whole_number(seed, "--seed"), numbers(snrs, "--snrs"), numbers(blurs, "--blurs"), str(video_codec)
    )
    report = corrupt_videos(
        Path(str(video_root)),
        target,
        settings,
        noise_root=_optional(noise_root),
        from_manifest=_optional(from_manifest),
        debug=bool(debug),
        workers=None if workers is None else whole_number(workers, "--workers"),
        overwrite=bool(overwrite),
        ray=ray,
    )
    print_report(report, target)
    return report.exit_status


def corrupt_audio_folder(
    audio_root: str,
    choice_snrs: str,
    noise_root: str,
    seed: int,
    workers: int | None,
    from_manifest: str,
    overwrite: bool,
    ray: RayOptions | None = None,
) -> int:
    """`audio_sets.add_noise`; returns the exit status."""
    if from_manifest:
        print("--from_manifest: its seed and SNRs are used, not --seed and --choice_snrs")
    report, target = add_noise(
        Path(str(audio_root)),
        () if from_manifest else numbers(choice_snrs, "--choice_snrs"),
        whole_number(seed, "--seed"),
        noise_root=_optional(noise_root),
        from_manifest=_optional(from_manifest),
        workers=None if workers is None else whole_number(workers, "--workers"),
        overwrite=bool(overwrite),
        ray=ray,
    )
    print_report(report, target)
    return report.exit_status


def preview_clip(video: str, video_root: str, save_root: str, picture: str) -> int:
    """`preview.draw_preview`; returns the exit status."""
    place = draw_preview(str(video), Path(str(video_root)), Path(str(save_root)), _optional(picture))
    print(f"-> {place}")
    return 0


def chosen_engine(engine: str, ray_address: str, ray_workers: int | None, workers: int | None) -> RayOptions | None:
    """The engine's flags, checked; None: this machine's own processes.

    Raises:
        UserError: they contradict each other.
    """
    options = ray_options(str(engine), str(ray_address or ""), ray_workers)
    if options is not None and workers is not None:
        raise UserError("--workers is for --engine local; with ray, give --ray_workers")
    return options


def numbers(text: Any, flag: str) -> tuple[int, ...]:
    """``5`` or ``5,6,7`` as integers.

    Raises:
        UserError: empty, or not integers.
    """
    parts = [str(part) for part in text] if isinstance(text, (tuple, list)) else str(text).split(",")
    try:
        return tuple(int(part) for part in parts)
    except ValueError:
        raise UserError(f"{flag} {text!r}: give integers, e.g. 5 or 5,6,7") from None


def whole_number(value: Any, flag: str) -> int:
    """An integer flag.

    Raises:
        UserError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise UserError(f"{flag} {value!r} is no whole number")
    return value


def _optional(text: Any) -> Path | None:
    return Path(str(text)) if text not in ("", None) else None
