"""How close the written pictures are to the blurred ones, and how large: ours against the original's way.

  python benchmarks/noise_quality.py

One clip of benchmarks/noise.py at every blur rate. PSNR in dB of luma, over all frames, against the frames as they were
decoded and blurred (the pyramid on the luma plane); bytes of the picture packets.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import av
import cv2
import numpy as np
from noise import BLURS, make_clips, make_noise, original_way

from toolkit.noise.blur import blur
from toolkit.noise.corrupt import write_clip
from toolkit.noise.sound import read_sound


def luma(path: Path) -> list[np.ndarray]:
    """The luma planes ``(H, W)`` of a video of even size."""
    with av.open(f"file:{path}") as container:
        return [frame.to_ndarray()[: frame.height] for frame in container.decode(video=0)]


def picture_bytes(path: Path) -> int:
    """Bytes of the picture packets."""
    with av.open(f"file:{path}") as container:
        return sum(packet.size for packet in container.demux(video=0))


def psnr(frames: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """dB, over all frames."""
    errors = [np.square(a.astype(float) - b).mean() for a, b in zip(frames, expected, strict=True)]
    return float(10 * np.log10(255**2 / np.mean(errors)))


def main() -> None:
    """Print one line per blur rate and way."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_clips(root / "clips", 1)
        make_noise(root / "noise", 8)
        clip = root / "clips" / "clip_000.mp4"
        clean = luma(clip)
        for rate in BLURS:
            expected = [blur(frame, rate) for frame in clean]
            original_way(clip, root, root / "noise" / "noise_0.wav", rate)
            made = {"original": root / clip.name}
            for codec in ("mpeg4", "libx264"):
                made[f"ours, {codec}"] = root / f"{codec}.mp4"
                write_clip(clip, made[f"ours, {codec}"], read_sound(clip), rate, codec)
            for way, path in made.items():
                print(f"blur {rate}  {way:14} {psnr(luma(path), expected):5.1f} dB  {picture_bytes(path):8} bytes")


if __name__ == "__main__":
    main()
