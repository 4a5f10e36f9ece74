"""A picture of one clip before and after: waveform and spectrogram above, the middle frame below."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np

from toolkit.noise.manifest import MANIFEST_FILE, read_manifest
from toolkit.noise.picture_packets import video_stream
from toolkit.noise.sound import read_sound
from toolkit.preprocess.media import SAMPLE_RATE, video_files
from toolkit.utils import atomic
from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WINDOW = 512  # samples of the spectrogram: 32 ms
_FLOOR = -80  # dB below full scale: the darkest colour


def draw_preview(name: str, video_root: Path, save_root: Path, picture: Path | None = None) -> Path:
    """Draw clip `name` of `video_root` beside its copy in `save_root`; returns the PNG's path.

    Args:
        picture: where to; default ``<save_root>-preview/<name>.png``.

    Raises:
        UserError: no such clip, or it has not been corrupted yet.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    clean = _find(name, video_root, "--video_root")
    noisy = _find(name, save_root, "--save_root")
    row = read_manifest(save_root / MANIFEST_FILE).get(name)
    if row is None:
        raise UserError(f"{save_root / MANIFEST_FILE} does not list {name}; was it made by main_mixture_multiprocess?")
    figure = Figure(figsize=(12, 9), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(3, 2, height_ratios=(1, 1.4, 2.4))
    noise = f"SNR {row.audio_snr} dB (measured {row.measured_snr})" if row.audio_snr else "no noise: silent speech"
    blur = "sharp" if row.blur == 1 else f"blur {row.blur}"
    for column, (path, title) in enumerate(((clean, "clean"), (noisy, f"{noise}, {blur}"))):
        samples = read_sound(path).samples / 32768
        _draw_wave(axes[0, column], samples, title)
        _draw_spectrogram(axes[1, column], samples)
        image, seconds = _middle_frame(path)
        axes[2, column].imshow(image)
        axes[2, column].set_axis_off()
        axes[2, column].set_title(f"frame at {seconds:.2f} s, {image.shape[1]} x {image.shape[0]}", fontsize=9)
    figure.suptitle(name.replace("$", r"\$"))
    place = _beside(save_root) / f"{name}.png" if picture is None else picture
    place.parent.mkdir(parents=True, exist_ok=True)
    with atomic.atomic_path(place) as part:
        figure.savefig(part, format="png", dpi=100)
    return place


def _beside(folder: Path) -> Path:
    """``<folder>-preview``; "." and ".." get their names first."""
    named = Path(os.path.abspath(folder))
    return named.with_name(f"{named.name}-preview")


def _find(name: str, folder: Path, flag: str) -> Path:
    if not folder.is_dir():
        raise UserError(f"{flag} {folder} is not a folder")
    for path in video_files(folder):
        if path.stem == name:
            return path
    raise UserError(f"{flag} {folder} has no video named {name!r}; give the name without its ending")


def _draw_wave(axes: Axes, samples: np.ndarray, title: str) -> None:
    axes.plot(np.arange(len(samples)) / SAMPLE_RATE, samples, linewidth=0.4, color="#1f4e79")
    axes.set(ylim=(-1, 1), xlim=(0, max(1, len(samples)) / SAMPLE_RATE), ylabel="amplitude", title=title)


def _draw_spectrogram(axes: Axes, samples: np.ndarray) -> None:
    seconds = max(1, len(samples)) / SAMPLE_RATE
    image = axes.imshow(
        spectrogram(samples),
        origin="lower",
        aspect="auto",
        extent=(0, seconds, 0, 8),
        vmin=_FLOOR,
        vmax=0,
        cmap="magma",
    )
    axes.set(xlabel="seconds", ylabel="kHz")
    axes.figure.colorbar(image, ax=axes, label="dB", pad=0.01)


def spectrogram(samples: np.ndarray) -> np.ndarray:
    """Power in dB ``(257, frames)``: Hann windows of 32 ms, every 8 ms; a full-scale sine has 0 dB."""
    if len(samples) < _WINDOW:
        samples = np.pad(samples, (0, _WINDOW - len(samples)))
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[:: _WINDOW // 4]
    window = np.hanning(_WINDOW)
    amplitude = np.abs(np.fft.rfft(windows * window, axis=1)) * 2 / window.sum()
    return 20 * np.log10(np.maximum(amplitude.T, 10 ** (_FLOOR / 20)))


def _middle_frame(path: Path) -> tuple[np.ndarray, float]:
    """The frame nearest to the middle as RGB ``(H, W, 3)``, and its time in seconds."""
    with av.open(f"file:{path}") as container:
        stream = video_stream(container, path)
        middle = (stream.duration or 0) * stream.time_base / 2
        frame = None
        for frame in container.decode(stream):
            if frame.pts is not None and frame.pts * stream.time_base >= middle:
                break
        if frame is None:
            raise UserError(f"{path}: no frame could be decoded")
        return frame.to_ndarray(format="rgb24"), float((frame.pts or 0) * stream.time_base)
