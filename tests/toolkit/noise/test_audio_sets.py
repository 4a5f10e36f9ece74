"""Audio-only sets: their folders, their SNR, and their independence of everything but seed, name and noise."""

import wave

import numpy as np
import pytest

from toolkit.noise.audio_sets import add_noise
from toolkit.noise.manifest import read_manifest
from toolkit.noise.noise_pool import open_pool
from toolkit.noise.sound import read_sound, write_wav
from toolkit.utils.errors import UserError


@pytest.fixture
def audio_root(tmp_path):
    root = tmp_path / "audio"
    root.mkdir()
    rng = np.random.default_rng(1)
    for index in range(12):
        write_wav(root / f"clip {index}.wav", (rng.normal(size=5000 + index) * 1500).astype(np.int16))
    write_wav(root / "silent.wav", np.zeros(4000, np.int16))
    write_wav(root / "empty.wav", np.zeros(0, np.int16))
    return root


def test_one_snr(audio_root, noise_root):
    report, target = add_noise(audio_root, (5,), noise_root=noise_root, progress=False)
    assert target.name == "audio_snr5" and report.done == 14 and not report.failures
    assert report.warnings == [
        ("empty", "its sound is empty and was kept as it is"),
        ("silent", "its sound is silent and was kept as it is"),
    ]
    for index in range(12):
        with wave.open(str(target / f"clip {index}.wav")) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
            assert file.getnframes() == 5000 + index
        clean, noisy = (read_sound(root / f"clip {index}.wav").samples.astype(float) for root in (audio_root, target))
        assert abs(10 * np.log10(np.mean(clean**2) / np.mean((noisy - clean) ** 2)) - 5) < 0.05
    assert not read_sound(target / "silent.wav").samples.any()


def test_a_mix_has_its_folder_and_its_draw(audio_root, noise_root, tmp_path):
    target = add_noise(audio_root, (15, 5, 10), noise_root=noise_root, progress=False)[1]
    rows = read_manifest(target / "noise-info.csv")
    assert target.name == "audio_snrmix"
    assert {row.audio_snr for row in rows.values()} == {"5", "10", "15", ""}
    assert all((row.video_blur, row.frames, row.video_codec, row.blurs) == ("", "", "", "") for row in rows.values())
    single = read_manifest(add_noise(audio_root, (10,), noise_root=noise_root, progress=False)[1] / "noise-info.csv")
    assert all(single[name].audio_noises == rows[name].audio_noises for name in rows)  # the same voices
    pool = open_pool(noise_root, tmp_path / "scratch")
    assert all(row.noise_list == pool.digest[:16] for row in rows.values())


def test_resumed_by_other_workers_it_is_the_same(audio_root, noise_root):
    target = add_noise(audio_root, (5, 10), noise_root=noise_root, workers=1, progress=False)[1]
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    for name in ("clip 3.wav", "clip 7.wav"):
        (target / name).unlink()
    report = add_noise(audio_root, (10, 5), noise_root=noise_root, workers=4, progress=False)[0]
    assert (report.done, report.skipped) == (2, 12)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    with pytest.raises(UserError, match=r"seed 0 \(now 1\)"):
        add_noise(audio_root, (5, 10), seed=1, noise_root=noise_root, progress=False)


def test_an_empty_folder_is_an_error(tmp_path, noise_root):
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="holds no sounds"):
        add_noise(tmp_path / "none", (5,), noise_root=noise_root)
