"""A set's folder through kills, second runs, foreign files and runs that fail."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from toolkit.noise import clip_job
from toolkit.noise.audio_sets import add_noise
from toolkit.noise.clip_job import Settings
from toolkit.noise.manifest import COLUMNS, Manifest, read_manifest
from toolkit.noise.run import corrupt_videos
from toolkit.noise.set_folder import BEGUN_FILE, LOCK_FILE, locked
from toolkit.noise.sound import write_wav
from toolkit.utils.errors import UserError

SCRIPT = Path(__file__).resolve().parents[3] / "main-noise.py"
HEADER = ",".join(COLUMNS)


@pytest.fixture
def audio_root(tmp_path):
    """Forty sounds: enough to be killed among them."""
    root = tmp_path / "audio"
    root.mkdir()
    rng = np.random.default_rng(2)
    for index in range(40):
        write_wav(root / f"clip {index:02d}.wav", (rng.normal(size=6000) * 1500).astype(np.int16))
    return root


def _add(root, noise_root, snrs=(5,), **options):
    return add_noise(root, snrs, noise_root=noise_root, progress=False, **options)


def _bytes(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _rows(manifest):
    return max(0, manifest.read_bytes().count(b"\n") - 1) if manifest.exists() else 0


# Slowed, so that a kill falls among the clips: the process waits a little before each row.
SLOW = """
import runpy, sys, time
from toolkit.noise.manifest import Manifest
add = Manifest.add
Manifest.add = lambda self, row: (time.sleep(0.02), add(self, row))[1]
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_killed_again_and_again_then_finished(sent, audio_root, noise_root):
    whole = _add(audio_root, noise_root)[1]
    expected = _bytes(whole)
    for path in whole.iterdir():
        path.unlink()
    whole.rmdir()
    command = [str(SCRIPT), "add_noise_multiprocess", str(audio_root), "5", "--noise_root", str(noise_root)]
    manifest = whole / "noise-info.csv"
    kills = []
    for _ in range(2):
        before = _rows(manifest)
        process = subprocess.Popen(
            [sys.executable, "-c", SLOW, *command, "--workers", "2"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 60
        while _rows(manifest) < before + 2 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        process.send_signal(sent)
        assert process.wait() == (130 if sent == signal.SIGINT else -sent)
        kills.append(_rows(manifest))
        assert manifest.read_text(encoding="utf-8").splitlines()[0] == HEADER
    assert 2 <= kills[0] < kills[1] < 40
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
    assert f"{kills[1]} already there" in done.stdout
    assert _bytes(whole) == expected  # hidden files included


def test_the_header_stands_before_the_first_clip(audio_root, noise_root, monkeypatch):
    manifest = audio_root.with_name("audio_snr5") / "noise-info.csv"
    seen = []
    read = clip_job.read_sound
    monkeypatch.setattr(
        clip_job, "read_sound", lambda *given: (seen.append(manifest.read_text(encoding="utf-8")), read(*given))[1]
    )
    _add(audio_root, noise_root, workers=1)
    assert seen[0] == f"{HEADER}\n" and len(seen) == 40


def test_rows_to_be_made_again_are_dropped_first_and_the_last_of_two_counts(audio_root, noise_root, monkeypatch):
    target = _add(audio_root, noise_root)[1]
    manifest = target / "noise-info.csv"
    expected = _bytes(target)
    lines = manifest.read_text(encoding="utf-8").splitlines(keepends=True)
    old = lines[3].replace("clip 02,5", "clip 02,9")
    assert old != lines[3]
    manifest.write_text("".join([lines[0], old, *lines[1:]]), encoding="utf-8")
    assert read_manifest(manifest)["clip 02"].audio_snr == "5"
    (target / "clip 07.wav").unlink()
    seen = []
    read = clip_job.read_sound
    monkeypatch.setattr(clip_job, "read_sound", lambda *a: (seen.append(read_manifest(manifest)), read(*a))[1])
    assert _add(audio_root, noise_root, workers=1)[0].done == 1
    assert len(seen) == 1 and len(seen[0]) == 39 and "clip 07" not in seen[0]
    assert _bytes(target) == expected


@pytest.mark.parametrize("name", ["plain", "two\nlines"])
def test_a_torn_row_is_cut_off(name, audio_root, noise_root, tmp_path):
    rows = read_manifest(_add(audio_root, noise_root)[1] / "noise-info.csv")
    first = rows["clip 00"]
    second = type(first)(**{**{column: getattr(first, column) for column in COLUMNS}, "video_name": name})
    manifest = Manifest(tmp_path / "noise-info.csv")
    manifest.save()
    manifest.add(first)
    whole = (tmp_path / "noise-info.csv").read_bytes()
    manifest.add(second)
    full = (tmp_path / "noise-info.csv").read_bytes()
    for cut in range(len(whole), len(full) - 1, 7):
        (tmp_path / "noise-info.csv").write_bytes(full[:cut])
        kept = Manifest(tmp_path / "noise-info.csv").rows
        assert list(kept) == ["clip 00"], full[len(whole) : cut]
    (tmp_path / "noise-info.csv").write_bytes(full)
    assert list(Manifest(tmp_path / "noise-info.csv").rows) == ["clip 00", name]


def test_a_second_run_is_refused(audio_root, noise_root, tmp_path):
    target = audio_root.with_name("audio_snr5")
    with locked(target):
        assert (target / LOCK_FILE).exists()
        with pytest.raises(UserError, match=r"another run is writing into .*audio_snr5"):
            _add(audio_root, noise_root)
    assert not target.exists()  # it stayed empty
    assert _add(audio_root, noise_root)[0].done == 40
    assert not (target / LOCK_FILE).exists()


def test_a_dead_run_locks_nothing(tmp_path):
    code = "import sys, os, pathlib; from toolkit.noise.set_folder import locked\n"
    code += "with locked(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    folder = tmp_path / "set"
    assert subprocess.run([sys.executable, "-c", code, str(folder)], check=False).returncode == -9
    assert (folder / LOCK_FILE).exists()
    with locked(folder):
        pass
    assert not (folder / LOCK_FILE).exists()


def test_foreign_files_are_not_overwritten(audio_root, noise_root):
    target = audio_root.with_name("audio_snr5")
    target.mkdir()
    (target / "clip 03.wav").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"holds 1 files .* e\.g\. clip 03\.wav; choose another folder, or .*--overwr"):
        _add(audio_root, noise_root)
    assert _bytes(target) == {"clip 03.wav": b"mine"}
    assert _add(audio_root, noise_root, overwrite=True)[0].done == 40
    assert (target / "clip 03.wav").read_bytes() != b"mine"
    # a file whose row the kill came before is known by the list of what was begun
    manifest = target / "noise-info.csv"
    lines = manifest.read_text(encoding="utf-8").splitlines(keepends=True)
    manifest.write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(UserError, match=r"e\.g\. clip 39\.wav"):
        _add(audio_root, noise_root)
    (target / BEGUN_FILE).write_text(json.dumps(["clip 39"]), encoding="utf-8")
    assert _add(audio_root, noise_root)[0].done == 1
    assert not (target / BEGUN_FILE).exists()


def test_overwriting_a_clip_that_now_fails_removes_the_stale_file(audio_root, noise_root):
    target = _add(audio_root, noise_root)[1]
    (audio_root / "clip 05.wav").write_bytes(b"broken")
    report = _add(audio_root, noise_root, overwrite=True)[0]
    assert [name for name, _ in report.failures] == ["clip 05"] and report.done == 39
    assert not (target / "clip 05.wav").exists() and "clip 05" not in read_manifest(target / "noise-info.csv")


def test_repeating_a_set_in_place_keeps_its_record(audio_root, noise_root, monkeypatch):
    target = _add(audio_root, noise_root, (5, 10, 15), seed=3)[1]
    manifest, expected = target / "noise-info.csv", _bytes(target)
    read, count = clip_job.read_sound, []

    def dies(*given):
        count.append(1)
        if len(count) == 5:
            raise KeyboardInterrupt
        assert len(read_manifest(manifest)) == 40
        return read(*given)

    monkeypatch.setattr(clip_job, "read_sound", dies)
    options = {"from_manifest": manifest, "overwrite": True, "workers": 1}
    with pytest.raises(KeyboardInterrupt):
        _add(audio_root, noise_root, (), **options)
    assert len(read_manifest(manifest)) == 40
    monkeypatch.setattr(clip_job, "read_sound", read)
    assert _add(audio_root, noise_root, (), **options)[0].done == 40
    assert _bytes(target) == expected
    # a clip that cannot be repeated keeps its file and its row
    write_wav(audio_root / "clip 01.wav", np.ones(100, np.int16))
    report = _add(audio_root, noise_root, (), **options)[0]
    assert [name for name, _ in report.failures] == ["clip 01"]
    assert _bytes(target) == expected


def test_converted_noise_does_not_stay(audio_root, noise_root, monkeypatch):
    import soundfile

    soundfile.write(noise_root / "stereo.wav", np.random.default_rng(0).normal(size=(44100, 2)) / 9, 44100)
    target = _add(audio_root, noise_root)[1]
    assert sorted(os.listdir(target)) == [*(f"clip {index:02d}.wav" for index in range(40)), "noise-info.csv"]
    with pytest.raises(UserError, match="seed 0"):
        _add(audio_root, noise_root, seed=1)
    assert not list(target.glob(".*"))


def test_a_full_disk_ends_the_run_and_names_the_clip(audio_root, noise_root, monkeypatch):
    def full(path, samples):
        raise OSError(28, "No space left on device", f"{path}.part")

    monkeypatch.setattr(clip_job, "write_wav", full)
    with pytest.raises(OSError, match="no space left on the disk; make room and give the same command") as caught:
        _add(audio_root, noise_root, workers=1)
    assert caught.value.filename == str(audio_root.with_name("audio_snr5") / "clip 00.wav")


def test_names_that_are_not_utf_8_and_odd_files_are_listed(noise_root, tmp_path, make_video):
    root = tmp_path / "video"
    good = make_video(root / "good.mp4", seconds=0.3).read_bytes()
    with open(os.fsencode(root) + b"/caf\xe9.mp4", "wb") as file:
        file.write(good)
    (root / "carriage\rreturn.mp4").write_bytes(good)
    os.mkfifo(root / "pipe.mp4")
    (root / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (root / "folder.mp4").mkdir()
    report = corrupt_videos(
        root, tmp_path / "out", Settings(0, (5,), (1,), "mpeg4"), noise_root=noise_root, progress=False
    )
    reasons = dict(report.failures)
    assert report.done == 1 and sorted(reasons) == [
        "caf\\udce9", "carriage\rreturn", "folder", "gone", "pipe"
    ]  # fmt: skip
    assert "not UTF-8; rename" in reasons["caf\\udce9"] and "carriage return" in reasons["carriage\rreturn"]
    assert all("is no regular file" in reasons[name] for name in ("folder", "gone", "pipe"))
    assert sorted(os.listdir(tmp_path / "out")) == ["good.mp4", "noise-info.csv"]


def test_a_kill_between_a_file_and_its_row_is_no_foreign_file(audio_root, noise_root, monkeypatch):
    def dies(self, row):
        raise KeyboardInterrupt

    add = Manifest.add
    monkeypatch.setattr(Manifest, "add", dies)
    with pytest.raises(KeyboardInterrupt):
        _add(audio_root, noise_root, workers=1)
    target = audio_root.with_name("audio_snr5")
    assert (target / "clip 00.wav").exists() and (target / BEGUN_FILE).exists()
    monkeypatch.setattr(Manifest, "add", add)
    assert _add(audio_root, noise_root)[0].done == 40
    assert not list(target.glob(".*"))
