"""The preview: its spectrogram measures, and the picture is there."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from toolkit.noise import preview
from toolkit.noise.clip_job import Settings
from toolkit.noise.preview import draw_preview, spectrogram
from toolkit.noise.run import corrupt_videos
from toolkit.utils.errors import UserError


def test_spectrogram_of_a_full_scale_sine():
    power = spectrogram(np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000))
    assert power.shape == (257, 1 + (16000 - 512) // 128)
    assert power.mean(axis=1).argmax() == 32  # 1 kHz of 31.25 Hz a row
    assert power[32].max() == pytest.approx(0, abs=0.1) and power[100:].max() < -60
    assert spectrogram(np.zeros(10)).max() == -80


def test_preview_of_a_clip(tmp_path, make_video, noise_root):
    make_video(tmp_path / "video" / "a $b$.mp4", "64x48", 0.6)
    with pytest.raises(UserError, match="is not a folder"):
        draw_preview("a $b$", tmp_path / "video", tmp_path / "noisy")
    settings = Settings(0, (5,), (4,), "mpeg4")
    corrupt_videos(tmp_path / "video", tmp_path / "noisy", settings, noise_root=noise_root, progress=False)
    place = draw_preview("a $b$", tmp_path / "video", tmp_path / "noisy")
    assert place == tmp_path / "noisy-preview" / "a $b$.png"
    image = cv2.imdecode(np.fromfile(place, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (900, 1200, 3) and image.std() > 20
    with pytest.raises(UserError, match="has no video named 'c'"):
        draw_preview("c", tmp_path / "video", tmp_path / "noisy")


def test_both_clips_are_drawn_and_the_default_place_needs_no_name(tmp_path, make_video, noise_root, monkeypatch):
    make_video(tmp_path / "video" / "a.mp4", "64x48", 0.4)
    settings = Settings(0, (5,), (4,), "mpeg4")
    corrupt_videos(tmp_path / "video", tmp_path / "noisy", settings, noise_root=noise_root, progress=False)
    drawn = {"read_sound": [], "_middle_frame": []}
    for name, paths in drawn.items():
        original = getattr(preview, name)
        monkeypatch.setattr(
            preview, name, lambda path, original=original, paths=paths: (paths.append(path), original(path))[1]
        )
    monkeypatch.chdir(tmp_path / "noisy")
    place = draw_preview("a", Path("../video"), Path("."))
    assert place == tmp_path / "noisy-preview" / "a.png" and place.exists()
    assert drawn == {name: [Path("../video/a.mp4"), Path("a.mp4")] for name in drawn}
