"""The four long jobs that the drills disturb, each small enough to be done in seconds, on inputs made here."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parent.parent.parent
REPLY_SECONDS = 0.1
SAMPLES = 60  # of open-vocabulary labels


@dataclass(frozen=True)
class Job:
    """A command that writes below one folder.

    Attributes:
        name: what the table calls it.
        command: output folder -> arguments, to start it and to go on with it alike.
        prepare: fills a new output folder with what the command expects there.
        counted: pattern of the files whose number tells how far it has come.
        environment: output folder -> variables of its own.
    """

    name: str
    command: Callable[[Path], list[str]]
    counted: str
    prepare: Callable[[Path], None] = lambda folder: None
    environment: Callable[[Path], dict[str, str]] = lambda folder: {}
    ray_command: Callable[[Path], list[str]] | None = None  # the same with the Ray engine
    asked: Counter = field(default_factory=Counter)  # what the chat server was asked, for the job that has one


def extraction_job(inputs: Path) -> Job:
    """eGeMAPS of the demo's sounds with 2 worker processes."""
    from toolkit.preprocess.media import extract_audio_16k

    sounds = inputs / "sounds"
    sounds.mkdir()
    for video in sorted((REPOSITORY / "demo" / "mer2024-dataset").rglob("*.mp4")):
        extract_audio_16k(video, sounds / f"{video.stem}.wav")

    def prepare(folder: Path) -> None:
        (folder / "mer2024-dataset-process").mkdir()
        (folder / "mer2024-dataset-process" / "audio").symlink_to(sounds)

    def command(folder: Path, engine: tuple[str, ...] = ("--num_workers", "2")) -> list[str]:
        script = REPOSITORY / "feature_extraction/audio/handcrafted_feature_extractor.py"
        flags = ["--feature_set", "eGeMAPS", "--batch_size", "2", *engine]
        return [str(script), "--dataset", "MER2024", "--data_root", str(folder), *flags]

    ray = partial(command, engine=("--engine", "ray", "--ray_workers", "2"))
    return Job("extraction", command, "*.npy", prepare, ray_command=ray)


def training_job(inputs: Path) -> Job:
    """A search of 6 runs on random features, folds side by side in 2 processes, the packed cache in its output."""
    from toolkit.data.labels import write_labels
    from toolkit.globals import EMOS_MER, corpus_paths

    paths = corpus_paths("MER2024", inputs / "corpus")
    names = [f"sample_{number:08d}" for number in range(80)]
    emotions = {name: {"emo": EMOS_MER[number % len(EMOS_MER)], "val": -10} for number, name in enumerate(names)}
    generator = np.random.default_rng(0)
    for feature in ("a-UTT", "t-UTT", "v-UTT"):
        (paths.features / feature).mkdir(parents=True)
        for name in names:
            np.save(paths.features / feature / f"{name}.npy", generator.standard_normal(64, dtype=np.float32))
    splits = {"train_corpus": names[:60], "test1_corpus": names[60:]}
    write_labels(paths.label, {key: {name: emotions[name] for name in part} for key, part in splits.items()})

    def command(folder: Path) -> list[str]:
        flags = ["--audio_feature", "a-UTT", "--text_feature", "t-UTT", "--video_feature", "v-UTT", "--gpu", "-1"]
        flags += ["--trials", "6", "--seed", "1", "--epochs", "3", "--trainer", "loop", "--jobs", "2", "--savemodel"]
        flags += ["--dataset", "MER2024", "--data_root", str(inputs / "corpus"), "--save_root", str(folder / "saved")]
        return [str(REPOSITORY / "main-release.py"), "--model", "attention", "--feat_type", "utt", "--resume", *flags]

    return Job("training search", command, "cv_*.npz", environment=lambda folder: {"MER_CACHE": str(folder / "cache")})


def noise_job(inputs: Path) -> Job:
    """Corrupted copies of 12 of the demo's clips with 2 worker processes."""
    from toolkit.noise.sound import write_wav

    videos, noise = inputs / "videos", inputs / "noise"
    videos.mkdir()
    noise.mkdir()
    for video in sorted((REPOSITORY / "demo" / "mer2024-dataset").rglob("*.mp4"))[:12]:
        (videos / video.name).symlink_to(video)
    generator = np.random.default_rng(0)
    for number in range(3):
        write_wav(noise / f"noise_{number}.wav", generator.integers(-6000, 6000, 16000 * 8).astype(np.int16))

    def command(folder: Path) -> list[str]:
        flags = ["--video_root", str(videos), "--save_root", str(folder / "noisy"), "--noise_root", str(noise)]
        return [str(REPOSITORY / "main-noise.py"), "main_mixture_multiprocess", *flags, "--seed", "1", "--workers", "2"]

    return Job("noise", command, "*.mp4")


class ChatModel(BaseHTTPRequestHandler):
    """A chat model on this machine that thinks for a moment, and groups labels by their first letter."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        labels = json.loads(request["messages"][-1]["content"].splitlines()[-1])
        self.server.asked[tuple(labels)] += 1
        time.sleep(REPLY_SECONDS)
        groups: dict[str, list[str]] = {}
        for label in labels:
            groups.setdefault(label[0], []).append(label)
        message = {"finish_reason": "stop", "message": {"role": "assistant", "content": json.dumps([*groups.values()])}}
        body = json.dumps({"choices": [message], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # who asked was killed
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass


def openset_job(inputs: Path) -> Job:
    """Groupings of the labels of 60 samples, 4 requests at a time, and the scores from them."""
    server = _QuietServer(("127.0.0.1", 0), ChatModel)
    server.asked = Counter()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for table, shift in (("gt", 0), ("pred", 1)):
        rows = [f"{number:03d},\"['happy{number}', 'sad{number + shift}', 'hopeful']\"" for number in range(SAMPLES)]
        (inputs / f"{table}.csv").write_text("name,openset\n" + "\n".join(rows) + "\n", encoding="utf-8")

    def command(folder: Path) -> list[str]:
        flags = ["--gt_csv", str(inputs / "gt.csv"), "--pred_csv", str(inputs / "pred.csv"), "--grouping", "chatgpt"]
        flags += ["--synonym_root", str(folder / "replies"), "--out", str(folder / "scores"), "--model", "local"]
        flags += ["--base_url", f"http://127.0.0.1:{server.server_address[1]}/v1", "--concurrency", "4"]
        return [str(REPOSITORY / "main-ov.py"), "main_metric", *flags]

    key = {"OPENAI_API_KEY": "none"}
    return Job("open vocabulary", command, "*.npy", environment=lambda folder: key, asked=server.asked)


JOBS = {"extraction": extraction_job, "training": training_job, "noise": noise_job, "openset": openset_job}


def full_command(job: Job, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment of a run of `job` into `folder`."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("MER_", "OPENAI_"))}
    own = {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return [sys.executable, *job.command(folder)], inherited | own | job.environment(folder)
