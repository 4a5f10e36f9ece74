"""What `--engine ray` costs on one machine: 2 Ray workers against 2 processes of the engine `local`, in the same run.

  python benchmarks/distributed.py [--short] [--rounds 3]

Every line is the whole command's work, the start of its workers included (of Ray's cluster not: it is told first, and
paid once per command, or never with --ray_address). The nothing extractor shows what Ray takes per batch: handing it
out, and its result back. Ratios above 1: Ray takes longer. Results of both engines are compared: bytes, rows.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from extraction_models import characters, clips, save_bert_base
from noise import make_clips, make_noise

from feature_extraction.audio.handcrafted_feature_extractor import main as handcrafted_main
from feature_extraction.cli import extraction_parser, run_extractor
from feature_extraction.contract import Extractor, Output, Sample
from feature_extraction.text.extract_text_huggingface import main as text_main
from toolkit.data.labels import write_labels
from toolkit.globals import EMOS_MER
from toolkit.noise.clip_job import Settings
from toolkit.noise.run import corrupt_videos
from toolkit.train import leaderboard
from toolkit.train.arguments import parse
from toolkit.train.run import train
from toolkit.utils.ray_cluster import ray_cluster
from toolkit.utils.ray_engine import RayOptions

RAY = ("--engine", "ray", "--ray_workers", "2")
Run = Callable[[Path, bool], None]  # (folder to write, on Ray)
Contents = Callable[[Path], dict[str, object]]


@dataclass(frozen=True)
class Job:
    """One line: what it is called, how it is run, what its results are."""

    what: str
    run: Run
    contents: Contents


def measure(jobs: Sequence[Job], root: Path, rounds: int, ray: bool) -> list[tuple[float, dict[str, object]]]:
    """Per job the median seconds and the results of one engine."""
    measured = []
    for job in jobs:
        seconds = []
        for _ in range(rounds):
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            began = time.perf_counter()
            with contextlib.redirect_stdout(None), contextlib.redirect_stderr(io.StringIO()):
                job.run(root, ray)
            seconds.append(time.perf_counter() - began)
        measured.append((statistics.median(seconds), job.contents(root)))
    return measured


def corpus(folder: Path) -> Path:
    """Where a command finds the corpus in its folder."""
    return folder / "mer2024-dataset-process"


def feature_bytes(folder: Path) -> dict[str, object]:
    """All features of a run."""
    return {path.name: path.read_bytes() for path in corpus(folder).glob("features/*/*.npy")}


def nothing(total: int) -> Run:
    """Extraction of `total` clips, eight in a batch, by an extractor that does nothing."""

    class Nothing(Extractor):  # in a function: then it goes to the workers by value
        modality, outputs, formula = "audio", (Output("vggish", 4),), "nothing"
        load = str  # of a sample; nothing is read

        def extract(self, batch):
            return [(np.zeros((3, 4), np.float32),) for _ in batch]

    samples = [Sample(f"{number:06d}", text="x") for number in range(total)]

    def run(folder: Path, ray: bool) -> None:
        corpus(folder).mkdir()
        engine = RAY if ray else ("--num_workers", "2")
        flags = ["--dataset", "MER2024", "--data_root", str(folder), "--batch_size", "8", *engine]
        run_extractor(extraction_parser("x").parse_args(flags), Nothing, samples=samples)

    return run


def opensmile(audio: Path, folder: Path, ray: bool) -> None:
    """eGeMAPS, a clip in a batch."""
    corpus(folder).mkdir()
    (corpus(folder) / "audio").symlink_to(audio)
    engine = RAY if ray else ("--num_workers", "2")
    handcrafted_main(
        ["--dataset", "MER2024", "--data_root", str(folder), "--feature_set", "eGeMAPS", "--batch_size", "1", *engine]
    )


def bert(model: Path, sentences: int, folder: Path, ray: bool) -> None:
    """BERT-base, a sentence in a batch, one thread in each of two processes."""
    generator = np.random.default_rng(0)
    corpus(folder).mkdir()
    rows = [f"{number:04d},{''.join(generator.choice(characters(), 14))}\n" for number in range(sentences)]
    (corpus(folder) / "transcription-merge.csv").write_text("name,chinese\n" + "".join(rows), encoding="utf-8")
    engine = RAY if ray else ("--num_procs", "2")
    flags = ["--dataset", "MER2024", "--data_root", str(folder), "--model_name", "bert", "--model_dir", str(model)]
    text_main([*flags, "--batch_size", "1", "--gpu", "-1", *engine])


def noise(videos: Path, noises: Path, folder: Path, ray: bool) -> None:
    """Corrupted clips."""
    settings = Settings(0, (5, 6, 7, 8, 9, 10), (1, 2, 4), "mpeg4")
    means = {"ray": RayOptions(workers=2)} if ray else {"workers": 2}
    corrupt_videos(videos, folder / "made", settings, noise_root=noises, progress=False, **means)


def search_corpus(folder: Path, total: int = 500) -> Path:
    """Random features with labels, to be searched over."""
    generator = np.random.default_rng(0)
    names = [f"s{number:05d}" for number in range(total)]
    features = corpus(folder) / "features/a-UTT"
    features.mkdir(parents=True)
    for name, row in zip(names, generator.normal(size=(total, 256)).astype(np.float32), strict=True):
        np.save(features / f"{name}.npy", row)
    labels = {name: {"emo": EMOS_MER[number % 6], "val": -10} for number, name in enumerate(names)}
    split = total * 4 // 5
    parts = {"train_corpus": names[:split], "test1_corpus": names[split:]}
    write_labels(
        corpus(folder) / "label-6way.npz", {key: {name: labels[name] for name in part} for key, part in parts.items()}
    )
    return folder


def search(data: Path, trials: int, epochs: int, folder: Path, ray: bool) -> None:
    """A search with the plain loop: two processes with a fold each, or two workers with a run each."""
    flags = ["--dataset", "MER2024", "--data_root", str(data), "--save_root", str(folder / "saved"), "--seed", "1"]
    flags += ["--model", "attention", "--feat_type", "utt", "--trainer", "loop", "--epochs", str(epochs)]
    flags += [word for kind in ("audio", "text", "video") for word in (f"--{kind}_feature", "a-UTT")]
    train(parse([*flags, "--gpu", "-1", "--trials", str(trials), *(RAY if ray else ("--jobs", "2"))], None))


def scores(folder: Path) -> dict[str, object]:
    """Trial -> its figures in the leaderboard."""
    rows = leaderboard.read(folder / "saved-unimodal")
    return {row["trial"]: [row[key] for key in ("f1", "acc", "fold_f1", "best_epochs", "hyper")] for row in rows}


def clip_bytes(folder: Path) -> dict[str, object]:
    """The files of a noisy set, manifest included."""
    return {path.name: path.read_bytes() for path in (folder / "made").iterdir()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--short", action="store_true", help="less of everything, one round")
    args = parser.parse_args()
    rounds = 1 if args.short else args.rounds
    few, many, sounds, sentences, videos, trials, epochs = (
        (16, 20_000, 60, 100, 8, 4, 5) if args.short else (16, 20_000, 500, 1000, 48, 8, 20)
    )
    print(f"{len(os.sched_getaffinity(0))} cores; load before {json.dumps(os.getloadavg())}")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        audio, model = root / "audio", save_bert_base(root / "bert")
        clips(audio, sounds)
        make_clips(root / "videos", videos)
        make_noise(root / "noise", 30)
        data = search_corpus(root / "data")
        jobs = [
            Job("nothing, 2 batches", nothing(few), feature_bytes),
            Job(f"nothing, {many // 8} batches", nothing(many), feature_bytes),
            Job(f"eGeMAPS, {sounds} clips of 4 s", partial(opensmile, audio), feature_bytes),
            Job(f"BERT-base, {sentences} sentences", partial(bert, model, sentences), feature_bytes),
            Job(f"noise, {videos} clips", partial(noise, root / "videos", root / "noise"), clip_bytes),
            Job(f"search, {trials} runs of 5 folds, {epochs} epochs", partial(search, data, trials, epochs), scores),
        ]
        # not in turns: the loop's processes are forks, and a process that has met Ray should not be forked
        measure(jobs[2:3], root / "made", 1, ray=False)  # what lies in no cache yet
        local = measure(jobs, root / "made", rounds, ray=False)
        began = time.perf_counter()
        with ray_cluster(RayOptions(workers=2)):
            print(f"start of a Ray cluster, import included: {time.perf_counter() - began:.1f} s", flush=True)
            ray = measure(jobs, root / "made", rounds, ray=True)
    for job, (before, expected), (after, found) in zip(jobs, local, ray, strict=True):
        same = "equal" if found == expected and found else "DIFFERENT"
        print(
            f"{job.what:40} local {before:6.2f} s   ray {after:6.2f} s   {after / before:5.2f} times   "
            f"{len(found)} results {same}"
        )
    each = [1000 * (two[0] - one[0]) / ((many - few) / 8) for one, two in ((local[0], local[1]), (ray[0], ray[1]))]
    print(f"per batch of 8, nothing computed: local {each[0]:.2f} ms   ray {each[1]:.2f} ms")
    print(f"load after {json.dumps(os.getloadavg())}")


if __name__ == "__main__":
    main()
