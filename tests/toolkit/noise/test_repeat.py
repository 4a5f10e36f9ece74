"""Manifests that are to be repeated: the right kind, with possible values, or an error that names file and line."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from toolkit.noise.audio_sets import add_noise
from toolkit.noise.clip_job import Settings
from toolkit.noise.manifest import COLUMNS, ClipRecord
from toolkit.noise.repeat import read_repeat
from toolkit.noise.run import corrupt_videos
from toolkit.noise.sound import write_wav
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import write_csv

ROW = ClipRecord(
    "a", "5", '[["n.wav", 0, 9]]', "2", "a.mp4", "00ff", "0.5", "5.0000", "1.0", "1", "9", "3", "mpeg4/mpeg4", "0", "5",
    "2", "00", "v", ""
)  # fmt: skip


def _write(path, *changes, columns=COLUMNS):
    rows = [{column: getattr(ROW, column) for column in COLUMNS} | change for change in changes]
    write_csv(path, columns, [[row[column] for column in columns] for row in rows])
    return path


def test_good_rows_are_read(tmp_path):
    path = _write(tmp_path / "m.csv", {}, {"video_name": "b", "audio_noises": "[]", "audio_snr": "", "noise_gain": ""})
    assert read_repeat(path, pictures=True)["a"] == ROW
    fewer = [column for column in COLUMNS if column not in ("note", "source_digest")]
    old = _write(tmp_path / "old.csv", {}, columns=fewer)  # from before there were notes and digests
    assert read_repeat(old, pictures=True)["a"] == replace(ROW, source_digest="")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"video_blur": "3"}, "video_blur: 3 is no power of two"),
        ({"video_blur": "two"}, "video_blur 'two' is no number"),
        ({"video_codec": "gif/gif"}, "video_codec gif is not one of mpeg4"),
        ({"audio_snr": "5.5"}, "audio_snr '5.5' is no number"),
        ({"audio_snr": "2000"}, "audio_snr: 2000 dB is outside"),
        ({"audio_snr": ""}, "audio_snr is empty"),
        ({"audio_noises": "[1"}, "is damaged"),
        ({"audio_noises": '[["n.wav", -1, 9]]'}, "cannot be"),
        ({"noise_gain": "nan"}, "noise_gain .nan. is no positive number"),
        ({"noise_tries": "x"}, "noise_tries 'x' is no number"),
        ({"video_codec": "", "video_blur": ""}, r"video_codec is empty: this manifest is of sounds"),
    ],
)
def test_bad_values_name_file_and_line(change, text, tmp_path):
    path = _write(tmp_path / "m.csv", {"video_name": "two\nlines"}, {"video_name": "b"} | change)
    with pytest.raises(UserError, match=text) as caught:
        read_repeat(path, pictures=True)
    assert f"{path}, line 4: " in str(caught.value)  # the first name takes two lines


def test_header_only_and_the_other_kind(tmp_path):
    with pytest.raises(UserError, match=r"--from_manifest .*m\.csv holds no clips"):
        read_repeat(_write(tmp_path / "m.csv"), pictures=True)
    with pytest.raises(UserError, match="line 2: video_codec is mpeg4/mpeg4: this manifest is of videos"):
        read_repeat(_write(tmp_path / "m.csv", {}), pictures=False)


def test_an_audio_set_is_repeated_and_does_not_fit_videos(noise_root, tmp_path):
    for folder in ("audio", "elsewhere/audio"):
        (tmp_path / folder).mkdir(parents=True)
        rng = np.random.default_rng(1)
        for name in ("a", "b", "c"):
            write_wav(tmp_path / folder / f"{name}.wav", (rng.normal(size=5000) * 1500).astype(np.int16))
    first = add_noise(tmp_path / "audio", (5, 9), 7, noise_root=noise_root, progress=False)[1]
    manifest = first / "noise-info.csv"
    write_wav(noise_root / "added later.wav", np.ones(500, np.int16))  # would change the draw
    report, again = add_noise(
        tmp_path / "elsewhere" / "audio", (), noise_root=noise_root, from_manifest=manifest, progress=False
    )
    assert again.name == "audio_snrmix" and report.done == 3
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in first.iterdir()
    }
    with pytest.raises(UserError, match="video_codec is empty: this manifest is of sounds"):
        corrupt_videos(tmp_path / "audio", tmp_path / "out", Settings(0, (5,), (1,), "mpeg4"), from_manifest=manifest)
    (tmp_path / "elsewhere" / "audio" / "b.wav").unlink()
    with pytest.raises(UserError, match="AUDIO_ROOT .* lacks 1 of the 3 clips of .*, the first: b"):
        add_noise(tmp_path / "elsewhere" / "audio", (), noise_root=noise_root, from_manifest=manifest)


def test_another_source_of_the_same_sound_is_noticed(noise_root, tmp_path, make_video):
    clip = make_video(tmp_path / "video" / "clip.mp4", seconds=0.4)
    settings = Settings(0, (5,), (1,), "mpeg4")
    corrupt_videos(tmp_path / "video", tmp_path / "first", settings, noise_root=noise_root, progress=False)
    manifest = tmp_path / "first" / "noise-info.csv"
    digest = hashlib.blake2b(clip.read_bytes(), digest_size=16).hexdigest()
    assert read_repeat(manifest, pictures=True)["clip"].source_digest == digest
    make_video(clip, "96x64", seconds=0.4)  # the same sound with other pictures
    options = {"noise_root": noise_root, "from_manifest": manifest, "progress": False}
    report = corrupt_videos(tmp_path / "video", tmp_path / "again", settings, **options)
    digest = hashlib.blake2b(clip.read_bytes(), digest_size=16).hexdigest()
    text = f"{clip} is another file than the one of the manifest: its source_digest is {digest}"
    assert report.failures == [("clip", text)] and report.done == 0
    manifest.write_text(manifest.read_text().replace("source_digest", "unknown"))  # of an older version
    assert corrupt_videos(tmp_path / "video", tmp_path / "again", settings, **options).done == 1
