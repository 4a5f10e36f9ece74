"""From checked arguments to the data of a run: which features enter, and reading them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from toolkit.data.dataset import INPUT_KEYS
from toolkit.dataloader.loading import DataRequest, RunData, load_run_data
from toolkit.dataloader.topn import PAPER_RANKS, Ranks, ranks_from_leaderboard, read_ranks, topn_features
from toolkit.globals import corpus_paths
from toolkit.train import leaderboard
from toolkit.utils.errors import UserError

DEBUG_SAMPLES = 100  # --debug: samples of each split


def load_inputs(args: argparse.Namespace) -> RunData:
    """Read everything that one search trains and tests on.

    Raises:
        UserError: see `toolkit.dataloader.loading.load_run_data`.
    """
    features: tuple[str, ...] = (args.audio_feature, args.text_feature, args.video_feature)
    keys, modalities = INPUT_KEYS, ("A", "T", "V")
    if args.fusion_topn:
        root = corpus_paths(args.dataset or args.train_dataset, args.data_root).features
        features, modalities = topn_features(args.fusion_topn, args.fusion_modality, root, feature_ranks(args))
        keys = tuple(f"feat{number}" for number in range(len(features)))
    return load_run_data(
        DataRequest(
            features=features,
            feat_type=args.feat_type,
            keys=keys,
            modalities=modalities,
            feat_scale=args.feat_scale,
            dataset=args.dataset,
            train_dataset=args.train_dataset,
            test_dataset=args.test_dataset,
            data_root=args.data_root,
            train_snr=args.train_snr,
            test_snr=args.test_snr,
            snr_modalities=args.snr_modalities,
            num_workers=args.num_workers,
            limit=DEBUG_SAMPLES if args.debug else None,
            extra_train=args.extra_train,
        )
    )


def named_features(args: argparse.Namespace, loaded: RunData) -> list[str]:
    """Feature names for files and tables: as the user named them, once each; of a top-n run, all that entered."""
    if args.fusion_topn:
        return list(loaded.features)
    return list(dict.fromkeys((args.audio_feature, args.text_feature, args.video_feature)))


def feature_ranks(args: argparse.Namespace) -> Ranks:
    """The ranks that a top-n run takes its features from: the papers', those of a csv, or of a leaderboard.

    Raises:
        UserError: they cannot be read, or the leaderboard has no run to rank by.
    """
    if not args.rank_from:
        return PAPER_RANKS
    folder = Path(args.rank_from)
    if folder.is_file():
        return read_ranks(folder)
    dataset = args.dataset or args.train_dataset
    rows = [row for row in leaderboard.read_ok(folder) if row["dataset"] == dataset and row["phase"] == "search"]
    rows = [row for row in rows if not json.loads(row["args"])["debug"]]
    if not rows:
        raise UserError(f"--rank_from {folder}: no finished runs on {dataset} in {folder / leaderboard.FILE_NAME}")
    return ranks_from_leaderboard(rows, dict(args.feature_modality))
