"""The noise folder: any sound files, converted where needed, silence drawn again."""

import numpy as np
import pytest
import soundfile

from toolkit.noise.draw import Draw, Piece
from toolkit.noise.mix import root_mean_square
from toolkit.noise.mix_sound import mix_sound
from toolkit.noise.noise_pool import open_pool
from toolkit.noise.sound import Sound, write_wav
from toolkit.utils.errors import UserError


def test_plain_files_are_read_in_place(noise_root, tmp_path):
    pool = open_pool(noise_root, tmp_path / "scratch")
    assert pool.files == (("deep/er/three $.wav", 32000), ("deep/two.wav", 32000), ("one.wav", 32000))
    assert pool.notes == () and not (tmp_path / "scratch").exists()
    one, two = (soundfile.read(noise_root / name, dtype="int16")[0] for name in ("one.wav", "deep/two.wav"))
    joined = pool.read((Piece("one.wav", 31000, 1000), Piece("deep/two.wav", 0, 77)))
    assert np.array_equal(joined, np.concatenate([one[31000:], two[:77]]))


def test_a_moved_folder_has_the_same_identity(noise_root, tmp_path):
    digest = open_pool(noise_root, tmp_path / "scratch").digest
    noise_root.rename(tmp_path / "moved")
    assert open_pool(tmp_path / "moved", tmp_path / "scratch").digest == digest
    (tmp_path / "moved" / "one.wav").rename(tmp_path / "moved" / "eins.wav")
    assert open_pool(tmp_path / "moved", tmp_path / "scratch").digest != digest


def test_other_rates_channels_and_formats_are_converted_once(noise_root, tmp_path):
    tone = np.sin(2 * np.pi * 440 * np.arange(44100) / 44100) * 0.5
    soundfile.write(noise_root / "stereo.wav", np.stack([tone, tone], 1), 44100)
    soundfile.write(noise_root / "coded.mp3", tone, 44100)
    soundfile.write(noise_root / "plain.flac", tone[:8000], 16000, subtype="PCM_16")
    (noise_root / "broken.wav").write_bytes(b"RIFF")
    (noise_root / "notes.txt").write_text("no sound", encoding="utf-8")
    (noise_root / "._one.wav").write_bytes(b"of a Mac")
    write_wav(noise_root / "empty.wav", np.zeros(0, np.int16))
    pool = open_pool(noise_root, tmp_path / "scratch")
    lengths = dict(pool.files)
    assert sorted(lengths) == [
        "coded.mp3", "deep/er/three $.wav", "deep/two.wav", "one.wav", "plain.flac", "stereo.wav"
    ]  # fmt: skip
    assert lengths["stereo.wav"] == 16000 and lengths["plain.flac"] == 8000
    assert len(pool.notes) == 3
    assert pool.notes[0].startswith("noise: 2 of 8 files are not 16 kHz mono PCM16 (e.g. broken.wav)")
    assert "broken.wav" in pool.notes[1] and "empty.wav: it is empty" in pool.notes[2]
    samples = pool.read((Piece("stereo.wav", 1000, 8000),))
    expected = np.sin(2 * np.pi * 440 * np.arange(1000, 9000) / 16000) * 0.5
    assert np.corrcoef(samples, expected)[0, 1] > 0.999
    assert root_mean_square(samples) == pytest.approx(16384 / np.sqrt(2), rel=0.02)


def test_silent_cuts_are_drawn_again(tmp_path):
    (tmp_path / "noise").mkdir()
    write_wav(tmp_path / "noise" / "silent.wav", np.zeros(50000, np.int16))
    write_wav(tmp_path / "noise" / "loud.wav", np.tile(np.array([800, -800], np.int16), 25000))
    pool = open_pool(tmp_path / "noise", tmp_path / "scratch")
    sound = Sound((np.sin(np.arange(9000) / 9) * 9000).astype(np.int16), 0)
    tries = []
    for index in range(30):
        mixed = mix_sound(sound, 5, Draw(0, f"clip {index}", pool.digest), pool)
        tries.append(mixed.tries)
        assert abs(mixed.mixture.measured_snr - 5) < 0.05 and np.isfinite(mixed.mixture.gain)
    assert 5 < sum(count > 1 for count in tries) < 25  # about half of the first cuts are silent
    (tmp_path / "noise" / "loud.wav").unlink()
    with pytest.raises(UserError, match="100 noise segments in a row were silent"):
        mix_sound(sound, 5, Draw(0, "clip", ""), open_pool(tmp_path / "noise", tmp_path / "scratch"))


@pytest.mark.parametrize("samples", [0, 500])
def test_silent_or_empty_speech_is_passed_through(samples, noise_root, tmp_path):
    pool = open_pool(noise_root, tmp_path / "scratch")
    mixed = mix_sound(Sound(np.zeros(samples, np.int16), 0), 5, Draw(0, "clip", pool.digest), pool)
    assert mixed.mixture is None and len(mixed.sound.samples) == samples and not mixed.sound.samples.any()


def test_a_changed_noise_file_is_named(noise_root, tmp_path):
    pool = open_pool(noise_root, tmp_path / "scratch")
    write_wav(noise_root / "one.wav", np.ones(100, np.int16))
    with pytest.raises(UserError, match=r"one\.wav"):
        pool.read((Piece("one.wav", 50, 1000),))
    with pytest.raises(UserError, match="is not in the noise folder"):
        pool.read((Piece("gone.wav", 0, 10),))
