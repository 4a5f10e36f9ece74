"""The noise folder: any sound files, converted where needed, silence drawn again."""

import os

import numpy as np
import pytest
import soundfile

from toolkit.noise.draw import Draw, Piece
from toolkit.noise.mix import root_mean_square
from toolkit.noise.mix_sound import mix_sound
from toolkit.noise.noise_pool import open_pool
from toolkit.noise.sound import Sound, write_wav
from toolkit.preprocess.media import MediaError
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
    with pytest.raises(MediaError, match=r"one\.wav ended early"):
        pool.read((Piece("one.wav", 50, 1000),))
    with pytest.raises(UserError, match="is not in the noise folder"):
        pool.read((Piece("gone.wav", 0, 10),))


def test_hidden_folders_odd_names_and_links_in_circles_are_left_out(noise_root, tmp_path):
    plain = (noise_root / "one.wav").read_bytes()
    (noise_root / ".trash").mkdir()
    (noise_root / ".trash" / "old.wav").write_bytes(plain)
    with open(os.fsencode(noise_root) + b"/caf\xe9.wav", "wb") as file:
        file.write(plain)
    os.mkfifo(noise_root / "pipe.wav")
    (noise_root / "deep" / "circle").symlink_to(noise_root)
    (noise_root / "shortcut").symlink_to(noise_root / "deep" / "er")
    pool = open_pool(noise_root, tmp_path / "scratch")
    assert [name for name, _ in pool.files] == ["deep/er/three $.wav", "deep/two.wav", "one.wav"]
    assert pool.notes == (
        "noise file left out: caf\\udce9.wav: its name is not UTF-8; rename it",
        "noise file left out: pipe.wav: it is no regular file",
    )


def test_a_cut_off_flac_is_left_out_and_a_damaged_one_fails_the_clip(noise_root, tmp_path):
    digest = open_pool(noise_root, tmp_path / "scratch").digest
    noise = np.random.default_rng(0).integers(-3000, 3000, 160000).astype(np.int16)
    soundfile.write(noise_root / "cut.flac", noise, 16000, subtype="PCM_16")
    data = (noise_root / "cut.flac").read_bytes()
    (noise_root / "cut.flac").write_bytes(data[: len(data) // 2])
    pool = open_pool(noise_root, tmp_path / "scratch")
    assert pool.digest == digest  # the draw is that of the folder without it
    assert pool.notes == ("noise file left out: cut.flac: it is cut off: its end cannot be decoded",)
    middle = len(data) // 2
    (noise_root / "cut.flac").write_bytes(data[:middle] + bytes(3000) + data[middle + 3000 :])
    pool = open_pool(noise_root, tmp_path / "scratch")
    assert ("cut.flac", 160000) in pool.files
    with pytest.raises(MediaError, match=r"cut\.flac"):
        pool.read((Piece("cut.flac", 70000, 16000),))


def test_almost_no_noise_is_refused(tmp_path):
    (tmp_path / "noise").mkdir()
    write_wav(tmp_path / "noise" / "a.wav", np.full(15999, 900, np.int16))
    with pytest.raises(UserError, match=r"--noise_root .*: 1\.00 s of usable noise in 1 files is too little"):
        open_pool(tmp_path / "noise", tmp_path / "scratch")
    write_wav(tmp_path / "noise" / "b.wav", np.full(1, 900, np.int16))
    assert len(open_pool(tmp_path / "noise", tmp_path / "scratch").files) == 2


def test_the_manifests_noise_must_be_there(noise_root, tmp_path):
    with pytest.raises(UserError, match=r"lacks 1 noise files that the manifest names, e\.g\. gone\.wav"):
        open_pool(noise_root, tmp_path / "scratch", only={"one.wav", "gone.wav"})


def test_noise_below_one_step_of_16_bits_is_silent(tmp_path):
    (tmp_path / "noise").mkdir()
    faint = np.zeros(40000, np.int16)
    faint[::2] = 1  # RMS 0.71
    write_wav(tmp_path / "noise" / "faint.wav", faint)
    sound = Sound((np.sin(np.arange(9000) / 9) * 9000).astype(np.int16), 0)
    with pytest.raises(UserError, match="100 noise segments in a row were silent"):
        mix_sound(sound, 5, Draw(0, "clip", ""), open_pool(tmp_path / "noise", tmp_path / "scratch"))
    write_wav(tmp_path / "noise" / "faint.wav", np.where(np.arange(40000) % 2, -1, 2).astype(np.int16))  # RMS 1.58
    assert mix_sound(sound, 5, Draw(0, "clip", ""), open_pool(tmp_path / "noise", tmp_path / "scratch")).tries == 1
