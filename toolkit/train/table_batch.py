"""Many searches in one process: one after the other, one data set in memory at a time; a bad one stops no other."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from toolkit.data.labels import read_labels
from toolkit.globals import corpus_paths
from toolkit.train import results
from toolkit.train.table_search import Figures, run_folder, run_search
from toolkit.utils.errors import UserError


@dataclass(frozen=True)
class Outcome:
    """What a table came to.

    Attributes:
        shown: the table for a terminal; empty when no search has figures.
        notes: lines about what is not in it.
        written: what -> file (of "table" the path without .csv and .md).
        folders: run folders for the report.
        problems: how many searches went wrong.
    """

    shown: str
    notes: Sequence[str]
    written: Mapping[str, Path]
    folders: Sequence[Path]
    problems: int


def run_all(searches: Mapping[str, argparse.Namespace]) -> tuple[dict[str, Figures], dict[str, str]]:
    """Run each search; returns the figures, and what went wrong, per name.

    A search some of whose runs failed is in both.

    Raises:
        UserError: what would stop every search alike: no label file, or an output folder that cannot be written.
    """
    first = next(iter(searches.values()))
    read_labels(corpus_paths(first.dataset, first.data_root).label)
    results.prepare_folder(run_folder(first, ("one",)))
    figures: dict[str, Figures] = {}
    problems: dict[str, str] = {}
    for number, (name, args) in enumerate(searches.items(), start=1):
        print(f"\n[{number}/{len(searches)}] {name}", flush=True)
        try:
            figures[name] = run_search(args)
            if figures[name].failed:
                problems[name] = f"{figures[name].failed} of its runs failed; their rows in the leaderboard say why"
        except BrokenPipeError:  # nobody reads what is printed any more: the end of the command, not of one search
            raise
        except (UserError, OSError, MemoryError, torch.OutOfMemoryError) as error:
            problems[name] = f"{error}" or type(error).__name__
            print(f"FAILED: {problems[name]}")
        _free_memory()
    return figures, problems


def listed(problems: Mapping[str, str]) -> list[str]:
    """One line per different problem: ``names: problem``."""
    names: dict[str, list[str]] = {}
    for name, problem in problems.items():
        names.setdefault(problem, []).append(name)
    return [f"{', '.join(those)}: {problem}" for problem, those in names.items()]


def _free_memory() -> None:
    """Nothing of a search may stay: on a GPU, the free memory decides how the next one is cut into stacks."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
