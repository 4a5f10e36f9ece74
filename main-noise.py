"""Corrupted copies of videos and sounds: speech mixed in at a known SNR, pictures blurred, everything else kept.

python main-noise.py main_mixture_multiprocess --video_root mer2024-dataset-process/video --save_root noisy-video
python main-noise.py main_mixture_multiprocess --video_root V --save_root S --debug
python main-noise.py main_mixture_multiprocess --video_root V --save_root S --noise_root MUSAN/speech --snrs 5,6,7 \\
    --blurs 1,2,4 --seed 0 --workers 4 --video_codec libx264
python main-noise.py main_mixture_multiprocess --video_root V --save_root S --engine ray --ray_address auto
python main-noise.py main_mixture_multiprocess --video_root V --save_root S --from_manifest noisy-video/noise-info.csv
python main-noise.py add_noise_multiprocess mer2024-dataset-process/audio --choice_snrs 5
python main-noise.py add_noise_multiprocess mer2024-dataset-process/audio --choice_snrs 5,10,15 --seed 0
python main-noise.py add_noise_multiprocess AUDIO --from_manifest OTHER/audio_snr5/noise-info.csv
python main-noise.py preview --video NAME --video_root V --save_root S

Noise: any sound files below --noise_root (default tools/musan/speech, the speech subset of MUSAN). What was done to
each clip stands in noise-info.csv of the folder that is written. All runs can be stopped and started again.
"""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.noise.offered import add_noise_multiprocess, main_mixture_multiprocess, preview
from toolkit.utils.errors import run_main
from toolkit.utils.fire_table import run_fire


def main(argv: Sequence[str] | None = None) -> int:
    functions = (main_mixture_multiprocess, add_noise_multiprocess, preview)
    return run_fire(functions, argv, "main-noise.py", __doc__ or "")


if __name__ == "__main__":
    run_main(main)
