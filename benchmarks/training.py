"""Fusion training: the reference's way, our plain loop and the population trainer, on the same machine in one run.

  python benchmarks/training.py [--part training|topn|recurrent|scaling|reading|memory|all] [--threads N] [--short]

Data has the shape of MER2024: 5,030 training samples, 1,169 or 20,000 test samples, features 1024/1024/768, hidden 128.
(a) what the reference does: a DataLoader of items, one model, the test set predicted after every epoch (one thread);
(b) our loop: resident arrays, the test set predicted once (one thread);
(c) the population trainer: 8 trials x 5 folds as one stack (3 trials with 18 features).
Times are seconds per fold-epoch (one fold, one epoch, validation included); test once is spread over 100 epochs for
(b) and (c). Ratios are what matters: machines differ, and this one may be shared. The share of the matrix-product rate
counts the products a training step needs (6 flops per weight and sample; 2 for validation) against torch.bmm here.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from baseline import ReferenceRun
from memory import benchmark_memory
from reading import benchmark_reading
from recurrent import benchmark_recurrent

from toolkit.data.dataset import FusionDataset
from toolkit.dataloader.corpora import CORPORA
from toolkit.dataloader.splits import random_folds
from toolkit.train.crossval import TrainingData
from toolkit.train.loop import predict, train_fold
from toolkit.train.population import Member, train_population
from toolkit.train.search import grid_trials
from toolkit.train.settings import Optimisation, Trial
from toolkit.train.trainer import build_model

PARTS = ("training", "topn", "recurrent", "scaling", "reading", "memory")
TRAIN, WIDTHS, HIDDEN, EPOCHS = 5030, (1024, 1024, 768), 128, 100
TOPN_WIDTHS = (1024, 1024, 768, 768, 1280, 512) + (1024, 768, 1024, 4096, 4096, 5120) + (512, 768, 768, 768, 768, 768)


def samples(total: int, widths: tuple[int, ...], seed: int) -> FusionDataset:
    """Random learnable features: `total` samples."""
    generator = np.random.default_rng(seed)
    emos = generator.integers(6, size=total)
    keys = ("audios", "texts", "videos") if len(widths) == 3 else tuple(f"feat{n}" for n in range(len(widths)))
    inputs = tuple(generator.standard_normal((total, width), dtype=np.float32) for width in widths)
    for rows in inputs:
        rows[:, :6] += np.eye(6, dtype=np.float32)[emos]
    names = tuple(f"s{number}" for number in range(total))
    return FusionDataset(names, keys, inputs, emos.astype(np.int64), np.zeros(total, np.float32))


def training_data(train: int, test: int, widths: tuple[int, ...], device: torch.device) -> TrainingData:
    """Resident data in MER2024's shape."""
    first, second = samples(train, widths, 0), samples(test, widths, 1)
    resident = {"test1": second.to_device(device)}
    folds = lambda seed: random_folds(first.names, seed)  # noqa: E731
    return TrainingData(CORPORA["MER2024"], first, {"test1": second}, first.to_device(device), resident, folds, "utt")


def trials(model: str, count: int) -> list[Trial]:
    """`count` trials of hidden size 128 that differ in dropout and learning rate."""
    space = {"hidden_dim": [HIDDEN], "dropout": [0.2, 0.3, 0.4, 0.5], "grad_clip": [-1.0], "lr": [1e-3, 1e-4]}
    return (grid_trials(model, space, 0) * 10)[:count]


def population_seconds(data: TrainingData, model: str, count: int, epochs: int) -> tuple[float, float]:
    """(seconds per fold-epoch, seconds per test pass of one fold) of `count` trials as one stack."""
    members = []
    for number, trial in enumerate(trials(model, count)):
        for fold, (train, validation) in enumerate(data.folds(trial.seed)):
            numbered = Trial(trial.model, trial.hyper, trial.seed, number)
            optimisation = Optimisation(float(trial.hyper["lr"]), 1e-5, -1.0, 32, epochs + 1)
            members.append(Member(numbered, fold, train, validation, data.config(trial), optimisation))
    marks: list[float] = []
    train_population(members, data.resident, data.resident_tests, "emo", lambda *_: marks.append(time.perf_counter()))
    end = time.perf_counter()
    return (marks[-1] - marks[0]) / epochs / len(members), (end - marks[-1]) / len(members)


def loop_seconds(data: TrainingData, model: str, epochs: int) -> tuple[float, float]:
    """The same for our plain loop."""
    trial = trials(model, 1)[0]
    train, validation = data.folds(0)[0]
    torch.manual_seed(0)
    network = build_model(model, data.config(trial)).to(data.resident.device)
    marks: list[float] = []
    optimisation = Optimisation(1e-3, 1e-5, -1.0, 32, epochs + 1)
    on_epoch = lambda *_: marks.append(time.perf_counter())  # noqa: E731
    train_fold(network, data.resident, train, validation, optimisation, "emo", 0, on_epoch)
    start = time.perf_counter()
    predict(network, data.resident_tests["test1"])
    return (marks[-1] - marks[0]) / epochs, time.perf_counter() - start


def product_rate(members: int, device: torch.device) -> float:
    """Measured rate of the dominant batched product, flop/s."""
    x, w = torch.randn(members, 32, 1024, device=device), torch.randn(members, 1024, HIDDEN, device=device)
    torch.bmm(x, w)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(10):
            torch.bmm(x, w)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, (time.perf_counter() - start) / 10)
    return 2 * x.numel() * HIDDEN / best


def training_part(
    model: str, widths: tuple[int, ...], rounds: int, count: int, device: torch.device, tests: list[int]
) -> None:
    """The three ways in turn, `rounds` times, for each size of the test set; medians are printed."""
    print(f"\n{model}: {TRAIN} training samples, {len(widths)} inputs of {sum(widths)} in all, hidden {HIDDEN}")
    for test in tests:
        data = training_data(TRAIN, test, widths, device)
        reference = ReferenceRun(data, model, trials(model, 1)[0])
        measured: dict[str, list[float]] = {"(a) reference's way": [], "(b) loop": [], "(c) population": []}
        threads = torch.get_num_threads()
        for _ in range(rounds):
            torch.set_num_threads(1)  # faster for one small model than two, and how the reference was measured
            measured["(a) reference's way"].append(reference.seconds(1))
            epoch, test_pass = loop_seconds(data, model, 1)
            measured["(b) loop"].append(epoch + test_pass / EPOCHS)
            torch.set_num_threads(threads)
            epoch, test_pass = population_seconds(data, model, count, 1)
            measured["(c) population"].append(epoch + test_pass / EPOCHS)
        rate = product_rate(5 * count, device)
        weights = sum(p.numel() for p in build_model(model, data.config(trials(model, 1)[0])).parameters())
        base = statistics.median(measured["(a) reference's way"])
        print(f"  {test} test samples:")
        for name, seconds in measured.items():
            median = statistics.median(seconds)
            hours = 50 * 5 * EPOCHS * median / 3600
            ratios = [a / b for a, b in zip(measured["(a) reference's way"], seconds, strict=True)]
            spread = f"{min(ratios):.1f} to {max(ratios):.1f}"
            print(
                f"    {name:20} {median:.4f} s per fold-epoch; 50 runs x 5 folds x 100 epochs {hours:.2f} h; "
                f"{base / median:.1f} times (a) ({spread} in {rounds} rounds)"
            )
        flops = 6 * weights * 4024 + 2 * weights * 1006
        share = flops / statistics.median(measured["(c) population"]) / rate
        print(f"    (c) runs at {100 * share:.0f} % of the machine's batched-product rate, {rate / 1e9:.0f} Gflop/s")


def scaling_part(device: torch.device) -> None:
    """Cost against samples, epochs and trials: the last column is cost per unit, which should not grow."""
    print("\nscaling of (c), hidden 128, seconds per fold-epoch and sample (x 1e-6)")
    for train in (1250, 2500, 5000):
        seconds, _ = population_seconds(training_data(train, 64, WIDTHS, device), "attention", 2, 1)
        print(f"  {train:6} samples: {1e6 * seconds / train:.2f}")
    data = training_data(1250, 64, WIDTHS, device)
    for epochs in (1, 2, 4):
        print(f"  {epochs:6} epochs:  {1e6 * population_seconds(data, 'attention', 2, epochs)[0] / 1250:.2f}")
    for count in (1, 2, 4, 8):
        print(f"  {count:6} trials:  {1e6 * population_seconds(data, 'attention', count, 1)[0] / 1250:.2f}")


def main() -> None:
    """Run the chosen parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("all", *PARTS), default="all")
    parser.add_argument("--threads", type=int, help="torch threads (default: torch's own choice)")
    parser.add_argument("--short", action="store_true", help="one round instead of three")
    parser.add_argument("--gpu", type=int, default=-1)
    parser.add_argument("--test_samples", type=int, nargs="+", default=[1169, 20000], help="sizes of the test set")
    parser.add_argument("--folder", type=Path, help="where the reading part writes its features (default: temporary)")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    device = torch.device("cpu") if args.gpu < 0 else torch.device("cuda", args.gpu)
    rounds = 1 if args.short else 3
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {device}")
    if args.part in ("training", "all"):
        training_part("attention", WIDTHS, rounds, 8, device, args.test_samples)
    if args.part in ("topn", "all"):
        training_part("attention_topn", TOPN_WIDTHS, 1, 3, device, args.test_samples)
    if args.part in ("scaling", "all"):
        scaling_part(device)
    if args.part in ("recurrent", "all"):
        benchmark_recurrent(args.short)
    if args.part in ("reading", "all"):
        benchmark_reading(args.folder, short=args.short)
    if args.part in ("memory", "all"):
        benchmark_memory(args.folder, short=args.short)


if __name__ == "__main__":
    main()
