"""Reading features: the reference's way (8 processes, a file at a time), our packed cache cold and warm."""

import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from toolkit.data.dataset import read_dataset

WIDTHS = {"a-UTT": 1024, "t-UTT": 1024, "v-UTT": 768}


def _read(path: str) -> np.ndarray:
    rows = np.load(path)
    return rows if rows.ndim == 2 else rows[np.newaxis]


def reference_seconds(root: Path, names: list[str]) -> float:
    """One pool of 8 processes per feature, then a mean over time per sample, as the original reader does."""
    start = time.perf_counter()
    for feature in WIDTHS:
        with get_context("fork").Pool(8) as pool:
            rows = pool.map(_read, [str(root / feature / f"{name}.npy") for name in names])
        np.array([part.mean(axis=0) for part in rows])
    return time.perf_counter() - start


def our_seconds(root: Path, names: list[str]) -> float:
    """Our reader, through the cache."""
    start = time.perf_counter()
    zeros = np.zeros(len(names))
    read_dataset([root / feature for feature in WIDTHS], names, zeros, zeros, "utt", 1)
    return time.perf_counter() - start


def benchmark_reading(folder: Path | None, short: bool) -> None:
    """Print seconds and ratios for MER2024-sized folders."""
    total = 6199 if short else 25030
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        root = Path(temporary)
        names = [f"sample_{number:08d}" for number in range(total)]
        generator = np.random.default_rng(0)
        for feature, width in WIDTHS.items():
            (root / feature).mkdir()
            for name in names:
                np.save(root / feature / f"{name}.npy", generator.standard_normal(width, dtype=np.float32))
        print(f"\nreading {total} samples x 3 features of {'/'.join(map(str, WIDTHS.values()))}")
        reference = reference_seconds(root, names)
        cold = our_seconds(root, names)
        warm = min(our_seconds(root, names) for _ in range(3))
        print(f"  reference's way, 8 processes  {reference:.2f} s")
        print(f"  ours, first time              {cold:.2f} s  ({reference / cold:.1f} times as fast)")
        print(f"  ours, from the cache          {warm:.3f} s  ({reference / warm:.0f} times as fast)")
