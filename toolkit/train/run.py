"""``main-release.py``: read the data once, run the search, write results, submission and leaderboard rows."""

from __future__ import annotations

import argparse
from typing import Any

import torch

from toolkit.dataloader.loading import RunData
from toolkit.train import results
from toolkit.train.hyperparams import read_space
from toolkit.train.inputs import load_inputs, named_features
from toolkit.train.search import distinct_points, grid_trials, random_trials, repeat_trials, space_size
from toolkit.train.session import Session, named
from toolkit.train.settings import Trial
from toolkit.utils.device import resolve_device


def train(args: argparse.Namespace) -> int:
    """Run the search that checked `args` (`toolkit.train.arguments.parse`) describe; the exit status.

    0, or 1 when a trial failed (its row says why).
    """
    space = read_space(args.model, args.hyper_path)
    if args.lr is not None:
        space["lr"] = [args.lr]
    if args.search == "grid":
        trials = grid_trials(args.model, space, args.seed)
    else:
        trials = random_trials(args.model, space, args.trials, args.seed)
    device = resolve_device(args.gpu, args.strict_gpu)
    _set_threads(args)
    loaded = load_inputs(args)
    folder = results.run_folder(
        args.save_root,
        named_features(args, loaded),
        cross=bool(args.train_dataset),
        noise=bool(args.train_snr or args.test_snr),
        topn=bool(args.fusion_topn),
    )
    search = Session(args, loaded, folder, results.prepare_folder(folder), device)
    _announce(args, loaded, space, trials)
    search.run(trials)
    if args.repeat_best and search.best is not None:
        print(f"best: {named(search.best.trial)}; {args.repeat_best} more runs with it")
        search.run(repeat_trials(search.best.trial, args.repeat_best, args.seed, len(trials)))
    if args.savemodel:
        search.save_model()
    search.report()
    return 1 if search.failed else 0


def _set_threads(args: argparse.Namespace) -> None:
    """The loop has one thread per process unless told otherwise: small networks gain nothing from a second one."""
    if args.threads:
        torch.set_num_threads(args.threads)
    elif args.trainer == "loop":
        torch.set_num_threads(1)


def _announce(args: argparse.Namespace, loaded: RunData, space: dict[str, list[Any]], trials: list[Trial]) -> None:
    for note in loaded.notes:
        print(note)
    tests = "".join(f", {name} {len(dataset)}" for name, dataset in loaded.tests.items())
    widths = "+".join(map(str, loaded.train.widths))
    extra = f" + {loaded.extra} pseudo-labelled" if loaded.extra else ""
    labelled = len(loaded.train) - loaded.extra
    print(f"{loaded.corpus.name}: train {labelled}{extra}{tests}; {'+'.join(loaded.features)}, widths {widths}")
    size = space_size(space)
    if args.search == "grid":
        drawn = distinct_points(random_trials(args.model, space, max(args.trials, 50), args.seed))
        print(f"grid: {size} points; {max(args.trials, 50)} random draws from seed {args.seed} would cover {drawn}")
    elif len(trials) > 1:
        print(f"random search: {len(trials)} draws cover {distinct_points(trials)} of {size} points")
