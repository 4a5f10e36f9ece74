"""Corrupted copies of videos and sounds: speech mixed in at a known SNR, pictures blurred, everything else kept.

python main-noise.py main_mixture_multiprocess --video_root mer2024-dataset-process/video --save_root noisy-video
python main-noise.py main_mixture_multiprocess --video_root V --save_root S --debug
python main-noise.py main_mixture_multiprocess --video_root V --save_root S --noise_root MUSAN/speech --snrs 5,6,7 \\
    --blurs 1,2,4 --seed 0 --workers 4 --video_codec libx264
python main-noise.py main_mixture_multiprocess --video_root V --save_root S --from_manifest noisy-video/noise-info.csv
python main-noise.py add_noise_multiprocess mer2024-dataset-process/audio --choice_snrs 5
python main-noise.py add_noise_multiprocess mer2024-dataset-process/audio --choice_snrs 5,10,15 --seed 0
python main-noise.py preview --video NAME --video_root V --save_root S

Noise: any sound files below --noise_root (default tools/musan/speech, the speech subset of MUSAN). What was done to
each clip stands in noise-info.csv of the folder that is written. All runs can be stopped and started again.
"""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.utils.errors import run_main
from toolkit.utils.fire_table import run_fire


def main_mixture_multiprocess(
    video_root: str,
    save_root: str,
    debug: bool = False,
    noise_root: str = "",
    snrs: str = "5,6,7,8,9,10",
    blurs: str = "1,2,4",
    seed: int = 0,
    workers: int | None = None,
    video_codec: str = "mpeg4",
    from_manifest: str = "",
    overwrite: bool = False,
) -> int:
    """Write SAVE_ROOT/<name>.mp4 for every video of VIDEO_ROOT, and SAVE_ROOT/noise-info.csv."""
    from toolkit.noise import commands

    return commands.corrupt_video_folder(
        video_root, save_root, debug, noise_root, snrs, blurs, seed, workers, video_codec, from_manifest, overwrite
    )


def add_noise_multiprocess(
    audio_root: str,
    choice_snrs: str,
    noise_root: str = "",
    seed: int = 0,
    workers: int | None = None,
    overwrite: bool = False,
) -> int:
    """Write AUDIO_ROOT_snr<s> (one SNR) or AUDIO_ROOT_snrmix (several), 16 kHz mono wav."""
    from toolkit.noise import commands

    return commands.corrupt_audio_folder(audio_root, choice_snrs, noise_root, seed, workers, overwrite)


def preview(video: str, video_root: str, save_root: str, picture: str = "") -> int:
    """Draw clip VIDEO clean and noisy, sharp and blurred, into PICTURE (default SAVE_ROOT-preview/VIDEO.png)."""
    from toolkit.noise import commands

    return commands.preview_clip(video, video_root, save_root, picture)


def main(argv: Sequence[str] | None = None) -> int:
    functions = (main_mixture_multiprocess, add_noise_multiprocess, preview)
    return run_fire(functions, argv, "main-noise.py", __doc__ or "")


if __name__ == "__main__":
    run_main(main)
