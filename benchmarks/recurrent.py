"""The loop's worker processes: a search over a recurrent model with one process and with one per core."""

import time

import numpy as np
import torch

from toolkit.data.dataset import FusionDataset
from toolkit.dataloader.corpora import CORPORA
from toolkit.dataloader.splits import random_folds
from toolkit.train.crossval import TrainingData
from toolkit.train.fold_workers import usable_cores
from toolkit.train.settings import Optimisation, Trial
from toolkit.train.trainer import run_group

HYPER = {
    "mfn": {"hidden_dim": 128, "mem_dim": 128, "window_dim": 2, "dropout": 0.3},
    "ef_lstm": {"hidden_dim": 256, "num_layers": 2, "dropout": 0.3},
}


def _data(total: int, widths: tuple[int, ...]) -> TrainingData:
    generator = np.random.default_rng(0)
    emos = generator.integers(6, size=total).astype(np.int64)
    lengths = generator.integers(4, 16, size=total)
    inputs = tuple(
        [generator.standard_normal((length, width), dtype=np.float32) for length in lengths] for width in widths
    )
    names = tuple(f"s{number}" for number in range(total))
    data = FusionDataset(names, ("audios", "texts", "videos"), inputs, emos, np.zeros(total, np.float32))
    resident = data.to_device(torch.device("cpu"))
    folds = lambda seed: random_folds(names, seed)  # noqa: E731
    return TrainingData(CORPORA["MER2024"], data, {}, resident, {}, folds, "frm_align")


def benchmark_recurrent(short: bool) -> None:
    """Print seconds for 2 trials x 5 folds of a few epochs, and the ratio."""
    cores = usable_cores()
    torch.set_num_threads(1)
    data = _data(320 if short else 1280, (256, 256, 128))
    print(f"\nrecurrent models, frm_align, {len(data.train)} samples of 4 to 15 frames, 2 trials x 5 folds x 2 epochs")
    for model, hyper in HYPER.items():
        trials = [Trial(model, hyper | {"lr": 1e-3, "grad_clip": -1.0}, seed, seed) for seed in (1, 2)]
        seconds = {}
        for jobs in (1, cores):
            started = time.perf_counter()
            optimisation = lambda trial: Optimisation(1e-3, 1e-5, -1.0, 32, 2)  # noqa: E731
            outcomes = list(run_group(trials, data, optimisation, "loop", jobs=jobs))
            seconds[jobs] = time.perf_counter() - started
            assert all(outcome.result is not None for outcome in outcomes)
        ratio = seconds[1] / seconds[cores]
        print(f"  {model:8} 1 process {seconds[1]:.1f} s, {cores} processes {seconds[cores]:.1f} s: {ratio:.2f} times")
