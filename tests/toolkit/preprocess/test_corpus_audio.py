from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

from toolkit.preprocess import audio
from toolkit.preprocess.media import ffmpeg_path
from toolkit.utils import functions
from toolkit.utils.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[3]
WAIT = 30.0  # seconds before a test gives up on another process


@pytest.fixture
def corpus(tmp_path, make_clip):
    """Three clips in the layout of MER2024: a, b, slow."""
    for name in ("a", "b", "slow"):
        make_clip(tmp_path / "mer2024-dataset-process" / "video" / f"{name}.mp4", seconds=0.5)
    return tmp_path


def audio_folder(corpus):
    return corpus / "mer2024-dataset-process" / "audio"


def test_command_extracts_skips_and_overwrites(corpus, capsys):
    arguments = ["--dataset", "MER2024", "--data_root", str(corpus)]
    assert audio.main([*arguments, "--limit", "2"]) == 0
    assert sorted(path.name for path in audio_folder(corpus).iterdir()) == ["a.wav", "b.wav"]
    os.utime(audio_folder(corpus) / "a.wav", (2e9, 2e9))
    assert audio.main([*arguments, "--num_workers", "2"]) == 0
    output = capsys.readouterr().out
    assert "1 done, 2 already there, 0 failed" in output and "older than" not in output
    assert (audio_folder(corpus) / "a.wav").stat().st_mtime == 2e9
    assert audio.main([*arguments, "--overwrite"]) == 0
    assert "3 done, 0 already there, 0 failed" in capsys.readouterr().out
    assert (audio_folder(corpus) / "a.wav").stat().st_mtime < 2e9
    assert [soundfile.info(path).frames for path in sorted(audio_folder(corpus).iterdir())] == [8000] * 3


def test_sound_older_than_its_video_is_made_again(corpus, make_clip, capsys):
    video = corpus / "mer2024-dataset-process" / "video"
    arguments = ["--dataset", "MER2024", "--data_root", str(corpus)]
    assert audio.main(arguments) == 0
    written = (audio_folder(corpus) / "b.wav").stat().st_mtime_ns
    make_clip(video / "a.mp4", seconds=1.0)
    os.utime(video / "a.mp4", ns=(written + 10**15, written + 10**15))  # two weeks ahead
    os.utime(video / "b.mp4", ns=(written, written))  # of one age: not older
    capsys.readouterr()
    assert audio.main(arguments) == 0
    output = capsys.readouterr().out
    assert "1 done, 2 already there, 0 failed" in output
    assert "warning: a: its sound was older than the video, and was made again" in output
    assert soundfile.info(audio_folder(corpus) / "a.wav").frames == 16000
    assert audio.main(arguments) == 0  # although the video is still from the future
    assert "0 done, 3 already there, 0 failed" in capsys.readouterr().out


def test_bad_clips_are_listed_and_do_not_stop_the_others(corpus, make_clip, capsys):
    video = corpus / "mer2024-dataset-process" / "video"
    make_clip(video / "mute.mp4", sound=False)
    (video / "b.mp4").write_text("no video")
    arguments = ["--dataset", "MER2024", "--data_root", str(corpus)]
    assert audio.main(arguments) == 1
    output = capsys.readouterr().out
    assert "2 done, 0 already there, 2 failed" in output
    assert f"failed: mute: {video / 'mute.mp4'} has no audio stream" in output
    assert output.index("failed: b: ") < output.index("failed: mute: ")
    assert (audio_folder(corpus) / "failures.csv").read_text().splitlines()[0] == "name,reason"
    assert sorted(path.name for path in audio_folder(corpus).glob("*.wav")) == ["a.wav", "slow.wav"]
    (video / "mute.mp4").unlink()
    make_clip(video / "b.mp4", seconds=0.5)
    assert audio.main(arguments) == 0
    assert not (audio_folder(corpus) / "failures.csv").exists()


def test_wrong_calls(tmp_path):
    with pytest.raises(UserError, match="video is not a folder"):
        audio.main(["--dataset", "MER2024", "--data_root", str(tmp_path)])
    with pytest.raises(UserError, match="holds no videos"):
        audio.split_audio(tmp_path, tmp_path / "out")
    with pytest.raises(SystemExit):
        audio.main(["--dataset", "MER2024", "--limit", "0"])


def test_alias_of_the_helpers(tmp_path, make_clip, capsys):
    make_clip(tmp_path / "in, [1]" / "a'b $c.mp4", seconds=0.5)
    arguments = ["func_split_audio_from_video_16k", str(tmp_path / "in, [1]"), str(tmp_path / "out")]
    assert functions.main(arguments) == 0
    assert soundfile.info(tmp_path / "out" / "a'b $c.wav").frames == 8000
    assert capsys.readouterr().out.count("\n") == 1  # the report only: fire does not print the exit status
    (tmp_path / "in, [1]" / "bad.mp4").write_text("")
    assert functions.main(arguments) == 1


# ---------------------------------------------------------------- killed in the middle


def run_with_slow_clip(corpus):
    """A run in which ffmpeg writes half of the clip `slow` and then hangs; a and b are finished when this returns."""
    fake = corpus / "ffmpeg"
    script = f"""#!/bin/sh
for last in "$@"; do :; done
case "$*" in */slow.mp4*) printf RIFFhalf > "${{last#file:}}"; echo $$ > '{corpus}/slow.pid'; exec sleep 600;; esac
exec '{ffmpeg_path()}' "$@"
"""
    fake.write_text(script)
    fake.chmod(0o755)
    command = [sys.executable, "-m", "toolkit.preprocess.audio", "--dataset", "MER2024", "--data_root", str(corpus)]
    environment = {**os.environ, "MER_FFMPEG": str(fake)}
    process = subprocess.Popen(
        [*command, "--num_workers", "2"], cwd=REPOSITORY, env=environment, stderr=subprocess.PIPE
    )
    wait_until(lambda: (corpus / "slow.pid").exists() and (corpus / "slow.pid").read_text().strip())
    wait_until(lambda: all((audio_folder(corpus) / f"{name}.wav").exists() for name in "ab"))
    return process, int((corpus / "slow.pid").read_text())


def wait_until(condition):
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, "the other process did not get there"
        time.sleep(0.02)


def alive(pid):
    """Running, and not a zombie that nobody has collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def part_files(corpus):
    return [path.name for path in audio_folder(corpus).iterdir() if path.name.endswith(".part")]


def test_after_kill_9_the_next_run_finishes_the_work(corpus, capsys):
    process, ffmpeg = run_with_slow_clip(corpus)
    process.kill()
    process.communicate(timeout=WAIT)
    os.kill(ffmpeg, signal.SIGKILL)
    assert len(part_files(corpus)) == 1  # what a killed run leaves: hidden, never taken for a result
    assert sorted(path.name for path in audio_folder(corpus).glob("*.wav")) == ["a.wav", "b.wav"]
    assert audio.main(["--dataset", "MER2024", "--data_root", str(corpus)]) == 0
    assert "1 done, 2 already there, 0 failed" in capsys.readouterr().out
    assert part_files(corpus) == []
    assert soundfile.info(audio_folder(corpus) / "slow.wav").frames == 8000


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see whether ffmpeg still runs")
def test_interrupting_kills_ffmpeg_and_leaves_nothing_half(corpus):
    process, ffmpeg = run_with_slow_clip(corpus)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=WAIT)
    assert process.returncode == 130
    assert b"interrupted" in messages and b"Traceback" not in messages
    assert not alive(ffmpeg)
    assert part_files(corpus) == []
    assert sorted(path.name for path in audio_folder(corpus).iterdir()) == ["a.wav", "b.wav"]
