"""The functions of ``main-noise.py``; their docstrings are its help. Nothing heavy is imported before one is called."""

from __future__ import annotations


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
    engine: str = "local",
    ray_address: str = "",
    ray_workers: int | None = None,
) -> int:
    """Write SAVE_ROOT/<name>.mp4 for every video of VIDEO_ROOT, and SAVE_ROOT/noise-info.csv.

    Args:
        video_root: folder of the clean videos (.mp4, .avi, .mkv, .mov).
        save_root: folder to write; finished clips in it are skipped.
        debug: the first 100 videos only.
        noise_root: folder of noise files, nested folders too (default tools/musan/speech).
        snrs: signal-to-noise ratios to draw from, whole dB from -1000 to 1000.
        blurs: blur rates to draw from, powers of two from 1 (sharp) to 64.
        seed: whole number; another seed is another draw.
        workers: clips made side by side (default: one per core, at most 8).
        video_codec: mpeg4, libx264, or copy_when_sharp (unblurred pictures are copied, others libx264).
        from_manifest: repeat this noise-info.csv; snrs, blurs, seed and video_codec are then the manifest's.
        overwrite: make finished clips again, and replace files that the folder's manifest does not list.
        engine: local, or ray: on several machines (docs/distributed.md).
        ray_address: HOST:PORT of a running Ray cluster, or auto (default: one of its own, on this machine).
        ray_workers: clips that Ray makes side by side (default: one per core of the cluster).
    """
    from toolkit.noise import commands

    ray = commands.chosen_engine(engine, ray_address, ray_workers, workers)
    return commands.corrupt_video_folder(
        video_root, save_root, debug, noise_root, snrs, blurs, seed, workers, video_codec, from_manifest, overwrite, ray
    )


def add_noise_multiprocess(
    audio_root: str,
    choice_snrs: str = "",
    noise_root: str = "",
    seed: int = 0,
    workers: int | None = None,
    from_manifest: str = "",
    overwrite: bool = False,
    engine: str = "local",
    ray_address: str = "",
    ray_workers: int | None = None,
) -> int:
    """Write AUDIO_ROOT_snr<s> (one SNR) or AUDIO_ROOT_snrmix (several), 16 kHz mono wav.

    Args:
        audio_root: folder of the clean sounds (.wav, .flac, .mp3, .m4a, .ogg, .opus).
        choice_snrs: one SNR (5) or several to draw from (5,10,15), whole dB from -1000 to 1000.
        noise_root: folder of noise files, nested folders too (default tools/musan/speech).
        seed: whole number; another seed is another draw.
        workers: sounds made side by side (default: one per core, at most 8).
        from_manifest: repeat this noise-info.csv; choice_snrs and seed are then the manifest's.
        overwrite: make finished sounds again, and replace files that the folder's manifest does not list.
        engine: local, or ray: on several machines (docs/distributed.md).
        ray_address: HOST:PORT of a running Ray cluster, or auto (default: one of its own, on this machine).
        ray_workers: sounds that Ray makes side by side (default: one per core of the cluster).
    """
    from toolkit.noise import commands

    ray = commands.chosen_engine(engine, ray_address, ray_workers, workers)
    return commands.corrupt_audio_folder(
        audio_root, choice_snrs, noise_root, seed, workers, from_manifest, overwrite, ray
    )


def preview(video: str, video_root: str, save_root: str, picture: str = "") -> int:
    """Draw clip VIDEO clean and noisy, sharp and blurred: waveform, spectrogram, middle frame.

    Args:
        video: the clip's name without its ending.
        video_root: folder of the clean videos.
        save_root: folder that main_mixture_multiprocess wrote.
        picture: PNG to write (default SAVE_ROOT-preview/VIDEO.png).
    """
    from toolkit.noise import commands

    return commands.preview_clip(video, video_root, save_root, picture)
