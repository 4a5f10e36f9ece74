"""The face step, killed and interrupted in the middle."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from feature_extraction.visual.faces import is_whole
from toolkit.globals import PATH_TO_REPOSITORY

DEMO = sorted((PATH_TO_REPOSITORY / "demo" / "mer2024-dataset" / "video-labeled").glob("*.mp4"))
SCRIPT = PATH_TO_REPOSITORY / "feature_extraction" / "visual" / "extract_openface.py"


@pytest.fixture
def running(tmp_path, popen_interruptible):
    """The script at work on 8 clips, after its first result; its process, and the folder of results."""
    assert len(DEMO) >= 8, "the committed demo clips are missing from demo/mer2024-dataset"
    video = tmp_path / "mer2024-dataset-process" / "video"
    video.mkdir(parents=True)
    for path in DEMO[:8]:
        shutil.copy(path, video)
    command = [sys.executable, str(SCRIPT), "--dataset", "MER2024", "--data_root", str(tmp_path), "--backend", "mtcnn"]
    process = popen_interruptible(command, start_new_session=True)
    folder = video.parent / "openface_face"
    wait_for(lambda: list(folder.glob("*/*.npy")) or process.poll() is not None)
    assert process.poll() is None, "the script ended before it could be killed"
    yield process, folder, command
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="lists child processes through /proc")
def test_killed_in_the_middle_then_run_again(running):
    process, folder, command = running
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) >= 2
    process.kill()
    process.wait()
    finished = {path: path.stat().st_mtime_ns for path in folder.glob("*/*.npy")}
    assert 0 < len(finished) < 8 and all(is_whole(path) for path in finished)
    wait_for(lambda: all(gone(pid) for pid in children))  # workers do not outlive a killed parent
    again = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert f"{8 - len(finished)} done, {len(finished)} already there, 0 failed" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert len(list(folder.glob("*/*.npy"))) == 8 and not list(folder.rglob("*.part"))


def test_ctrl_c_stops_and_leaves_nothing_half_done(running):
    process, folder, _ = running
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the workers too
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in error and "Traceback" not in error
    assert not list(folder.rglob("*.part")) and all(is_whole(path) for path in folder.glob("*/*.npy"))
