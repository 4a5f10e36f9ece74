"""Scaling curves that no other benchmark has: cost against the number of features, rate against worker processes.

  python benchmarks/curves.py [--part features|workers|all] [--short]

Features: attention_topn, population trainer, 1,250 samples, features of 768, 2 trials x 5 folds; the column is cost per
feature. Workers: eGeMAPS of 4 s clips; the start of the workers is not counted.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import torch


def benchmark_features(short: bool) -> None:
    """Print seconds per fold-epoch and feature."""
    from training import population_seconds, training_data

    counts = (2, 6, 12) if short else (2, 6, 12, 18)
    print("\nattention_topn: features, seconds per fold-epoch, sample and feature (x 1e-6)")
    for count in counts:
        data = training_data(1250, 64, (768,) * count, torch.device("cpu"))
        seconds, _ = population_seconds(data, "attention_topn", 2, 1)
        print(f"  {count:6} features: {1e6 * seconds / 1250 / count:.2f}", flush=True)


def benchmark_workers(short: bool) -> None:
    """Print clips a second for each number of worker processes."""
    from extraction import timed_run
    from extraction_models import clips

    from feature_extraction.audio.opensmile_extractor import OpensmileExtractor

    cores = len(os.sched_getaffinity(0))
    print(f"\neGeMAPS: worker processes, clips a second ({cores} cores)")
    with tempfile.TemporaryDirectory() as folder:
        samples = clips(Path(folder) / "clips", 64 if short else 200)
        for workers in sorted({0, 1, 2, cores, 2 * cores}):
            place = Path(folder) / f"smile-{workers}"
            extractor = OpensmileExtractor("eGeMAPS", "UTTERANCE")
            rate, _ = timed_run(extractor, samples, place, batch_size=4, num_workers=workers)
            print(f"  {workers:6} workers: {rate:.2f}", flush=True)


PARTS = {"features": benchmark_features, "workers": benchmark_workers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=[*PARTS, "all"], default="all")
    parser.add_argument("--short", action="store_true", help="fewer sizes and clips")
    args = parser.parse_args()
    for part, run in PARTS.items():
        if args.part in (part, "all"):
            run(args.short)


if __name__ == "__main__":
    main()
