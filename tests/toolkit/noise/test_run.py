"""Whole sets: the same result whatever the workers, kills and order; from the manifest alone; bad clips listed."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from toolkit.noise.clip_job import Settings
from toolkit.noise.draw import Draw
from toolkit.noise.manifest import COLUMNS, read_manifest
from toolkit.noise.mix import mix_at_snr
from toolkit.noise.noise_pool import open_pool
from toolkit.noise.run import corrupt_videos, list_videos
from toolkit.noise.set_folder import write_begun
from toolkit.noise.sound import read_sound, write_wav
from toolkit.utils.errors import UserError

SNRS = (5, 6, 7, 8, 9, 10)
SETTINGS = Settings(0, SNRS, (1, 2, 4), "mpeg4")
REPOSITORY = Path(__file__).resolve().parents[3]
NAMES = ("a b", "b.c", "c$HOME", "d'q\"", "e", "f", "g", "h")


@pytest.fixture(scope="module")
def videos(tmp_path_factory, make_video):
    root = tmp_path_factory.mktemp("videos") / "video"
    for number, name in enumerate(NAMES):
        make_video(root / f"{name}.mp4", seconds=0.4 + 0.1 * number)
    return root


def _run(videos, target, noise_root, settings=SETTINGS, **options):
    return corrupt_videos(videos, target, settings, noise_root=noise_root, progress=False, **options)


def _decoded(folder):
    result = {}
    for path in sorted(folder.glob("*.mp4")):
        with av.open(f"file:{path}") as container:
            frames = [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]
        result[path.stem] = (frames, read_sound(path).samples.tobytes())
    return result


def test_manifest_says_what_was_done(videos, tmp_path, noise_root):
    report = _run(videos, tmp_path / "out", noise_root, workers=2)
    assert (report.done, report.failures, report.warnings) == (8, [], [])
    rows = read_manifest(tmp_path / "out" / "noise-info.csv")
    assert list(rows) == sorted(NAMES)
    pool = open_pool(noise_root, tmp_path / "unused")
    assert {row.versions.rpartition("; ")[2] for row in rows.values()} == {"aac 64 kb/s, coder fast"}
    for name, row in rows.items():
        draw = Draw(0, name, pool.digest)
        clean = read_sound(videos / f"{name}.mp4").samples
        assert row.snr == draw.choose(SNRS, "snr") and row.blur == draw.choose((1, 2, 4), "blur")
        assert row.pieces == draw.pieces(pool.files, len(clean))
        mixture = mix_at_snr(clean, pool.read(row.pieces), row.snr)
        assert float(row.measured_snr) == pytest.approx(mixture.measured_snr, abs=1e-4)
        assert abs(mixture.measured_snr - row.snr) < 0.05
        written = read_sound(tmp_path / "out" / f"{name}.mp4").samples  # through AAC
        assert len(written) == len(clean) == int(row.samples)
        assert np.corrcoef(written, mixture.samples)[0, 1] > 0.9
    assert sorted(os.listdir(tmp_path / "out")) == sorted([*(f"{name}.mp4" for name in NAMES), "noise-info.csv"])


def test_workers_order_and_resume_change_nothing(videos, tmp_path, noise_root):
    _run(videos, tmp_path / "one", noise_root, workers=1)
    _run(videos, tmp_path / "four", noise_root, workers=4)
    expected = _decoded(tmp_path / "one")
    manifest = (tmp_path / "one" / "noise-info.csv").read_bytes()
    assert _decoded(tmp_path / "four") == expected and len(expected) == 8
    assert (tmp_path / "four" / "noise-info.csv").read_bytes() == manifest
    # a clip without a row, a row without a clip and a torn last row: all made again
    rows = manifest.decode().splitlines(keepends=True)
    (tmp_path / "four" / "noise-info.csv").write_text("".join(rows[:1] + rows[3:5]) + rows[5][:20], encoding="utf-8")
    (tmp_path / "four" / f"{sorted(NAMES)[3]}.mp4").unlink()
    write_begun(tmp_path / "four", NAMES)  # as a killed run leaves it
    report = _run(videos, tmp_path / "four", noise_root, workers=3)
    assert (report.done, report.skipped) == (7, 1)
    assert _decoded(tmp_path / "four") == expected
    assert (tmp_path / "four" / "noise-info.csv").read_bytes() == manifest
    report = _run(videos, tmp_path / "four", noise_root)
    assert (report.done, report.skipped) == (0, 8)
    assert _run(videos, tmp_path / "four", noise_root, overwrite=True).done == 8
    assert (tmp_path / "four" / "noise-info.csv").read_bytes() == manifest


def test_killed_and_resumed(videos, tmp_path, noise_root):
    _run(videos, tmp_path / "whole", noise_root)
    target = tmp_path / "killed"
    command = [sys.executable, str(REPOSITORY / "main-noise.py"), "main_mixture_multiprocess"]
    command += [
        "--video_root",
        str(videos),
        "--save_root",
        str(target),
        "--noise_root",
        str(noise_root),
        "--workers",
        "1",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not list(target.glob("*.mp4")) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    made = len(list(target.glob("*.mp4")))
    assert 1 <= made < 8
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{made} already there" in done.stdout or f"{made - 1} already there" in done.stdout
    assert _decoded(target) == _decoded(tmp_path / "whole")
    assert (target / "noise-info.csv").read_bytes() == (tmp_path / "whole" / "noise-info.csv").read_bytes()
    assert list(target.glob(".*")) == []


def test_repeated_from_the_manifest_alone(videos, tmp_path, noise_root):
    _run(videos, tmp_path / "first", noise_root, Settings(3, (0, 20), (1, 2), "copy_when_sharp"))
    manifest = tmp_path / "first" / "noise-info.csv"
    write_wav(noise_root / "added later.wav", np.ones(500, np.int16))  # would change the draw
    report = _run(videos, tmp_path / "again", noise_root, from_manifest=manifest)
    assert report.done == 8 and not report.failures
    assert _decoded(tmp_path / "again") == _decoded(tmp_path / "first")
    assert (tmp_path / "again" / "noise-info.csv").read_bytes() == manifest.read_bytes()
    codecs = {row.video_codec for row in read_manifest(manifest).values()}
    assert codecs == {"copy_when_sharp/copy", "copy_when_sharp/libx264"}


def test_manifest_of_other_noise_is_noticed(videos, tmp_path, noise_root):
    _run(videos, tmp_path / "first", noise_root)
    write_wav(noise_root / "deep/two.wav", np.random.default_rng(9).integers(-99, 99, 32000).astype(np.int16))
    report = _run(videos, tmp_path / "again", noise_root, from_manifest=tmp_path / "first" / "noise-info.csv")
    users = [
        row
        for row in read_manifest(tmp_path / "first" / "noise-info.csv").values()
        if "deep/two.wav" in row.audio_noises
    ]
    assert len(report.failures) == len(users) > 0
    assert all("noise gain differs from the manifest's" in text for _, text in report.failures)


def test_other_settings_into_the_same_folder_are_refused(videos, tmp_path, noise_root):
    _run(videos, tmp_path / "out", noise_root, debug=True)
    for other, text in (
        (Settings(1, SNRS, (1, 2, 4), "mpeg4"), r"seed 0 \(now 1\)"),
        (Settings(0, (5,), (1, 2, 4), "mpeg4"), r"snrs 5 6 7 8 9 10 \(now 5\)"),
        (Settings(0, SNRS, (2,), "mpeg4"), r"blurs 1 2 4 \(now 2\)"),
        (Settings(0, SNRS, (1, 2, 4), "libx264"), r"video codec mpeg4 \(now libx264\)"),
    ):
        with pytest.raises(UserError, match=text):
            _run(videos, tmp_path / "out", noise_root, other)
    assert _run(videos, tmp_path / "out", noise_root, Settings(1, SNRS, (1,), "mpeg4"), overwrite=True).done == 8


def test_bad_clips_are_listed_and_the_rest_is_made(videos, tmp_path, noise_root, make_video):
    root = tmp_path / "video"
    make_video(root / "good.mp4", seconds=0.5)
    make_video(root / "mute.mp4", seconds=0.5, sound=None)
    make_video(root / "silent.mp4", seconds=0.5, sound="0")
    (root / "text.mp4").write_text("no video", encoding="utf-8")
    whole = make_video(tmp_path / "whole.mp4", seconds=0.5).read_bytes()
    (root / "broken.mp4").write_bytes(whole[: len(whole) // 2])
    report = _run(root, tmp_path / "out", noise_root, workers=2)
    assert report.exit_status == 1 and report.done == 2
    reasons = dict(report.failures)
    assert sorted(reasons) == ["broken", "mute", "text"]
    assert "has no audio stream" in reasons["mute"]
    assert all("Invalid data found when processing input" in reasons[name] for name in ("broken", "text"))
    assert report.warnings == [("silent", "its sound is silent and was kept as it is")]
    row = read_manifest(tmp_path / "out" / "noise-info.csv")["silent"]
    assert (row.audio_snr, row.pieces, row.noise_gain, row.measured_snr) == ("", (), "", "")
    assert not read_sound(tmp_path / "out" / "silent.mp4").samples.any()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["good.mp4", "noise-info.csv", "silent.mp4"]
    again = _run(root, tmp_path / "again", noise_root, from_manifest=tmp_path / "out" / "noise-info.csv")
    assert again.done == 2 and again.warnings == report.warnings


def test_manifest_opens_as_a_plain_csv(videos, tmp_path, noise_root):
    _run(videos, tmp_path / "out", noise_root)
    with open(tmp_path / "out" / "noise-info.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS and COLUMNS[:4] == ("video_name", "audio_snr", "audio_noises", "video_blur")
    assert [row["video_name"] for row in rows] == sorted(NAMES) and rows[0]["audio_noises"].startswith("[[")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"settings": Settings(0, SNRS, (3,), "mpeg4")}, "3 is no power of two"),
        ({"settings": Settings(0, SNRS, (1,), "h265")}, "h265 is not one of mpeg4, libx264, copy_when_sharp"),
        ({"workers": 0}, "--workers 0"),
        ({"noise_root": "nowhere"}, "nowhere is not a folder: the usual noise is the speech subset of MUSAN"),
        ({"settings": Settings(0, (5, 1001), (1,), "mpeg4")}, r"--snrs: 1001 dB is outside -1000\.\.1000"),
        ({"settings": Settings(0, SNRS, (128,), "mpeg4")}, "--blurs: 128 is no power of two from 1 to 64"),
        ({"video_root": "nowhere"}, "--video_root .*nowhere is not a folder"),
        ({"save_root": "video"}, "is the folder of the clean videos"),
        ({"video_root": "empty"}, "holds no videos"),
    ],
)
def test_runs_that_cannot_begin(change, text, videos, tmp_path, noise_root):
    (tmp_path / "empty").mkdir()
    roots = {"video_root": videos, "save_root": tmp_path / "out", "noise_root": noise_root}
    roots |= {key: tmp_path / value for key, value in change.items() if key.endswith("_root")}
    if change.get("save_root") == "video":
        roots["save_root"] = videos
    with pytest.raises(UserError, match=text):
        corrupt_videos(
            roots["video_root"],
            roots["save_root"],
            change.get("settings", SETTINGS),
            noise_root=roots["noise_root"],
            workers=change.get("workers"),
            progress=False,
        )


def test_debug_takes_the_first_100(tmp_path):
    for number in range(103):
        (tmp_path / f"{number:03d}.mp4").touch()
    assert [path.stem for path in list_videos(tmp_path, debug=True)] == [f"{number:03d}" for number in range(100)]
    assert len(list_videos(tmp_path)) == 103
