"""Saved models with random weights and feature folders for them: predictions need no training."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from toolkit.models import ModelConfig, build_model

EMOTIONS = ("calm", "angry at", "glad")  # a label set of a user's own
WIDTHS = {"aud": 5, "txt": 6, "vis": 7}


@pytest.fixture
def write_model():
    """``write_model(folder, **changes)`` writes what --savemodel does; changes are fields of model.json."""

    def write(folder: Path, **changes) -> Path:
        suffix = "UTT" if changes.get("feat_type", "utt") == "utt" else "FRA"
        description = {
            "format": 1,
            "model": "attention",
            "feat_type": "utt",
            "feat_scale": 1,
            "features": [f"{stem}-{suffix}" for stem in WIDTHS],
            "keys": ["audios", "texts", "videos"],
            "feat_dims": list(WIDTHS.values()),
            "outputs": [len(EMOTIONS), 1],
            "emotions": list(EMOTIONS),
            "hyper": {"hidden_dim": 8, "dropout": 0.3, "grad_clip": -1.0, "lr": 1e-3},
            "folds": 2,
            "lengths": [0, 0, 0],
            "train_names": [],
            "args": {},
        } | changes
        folder.mkdir(parents=True)
        for fold in range(1, description["folds"] + 1):
            config = ModelConfig(
                tuple(description["feat_dims"]),
                *description["outputs"],
                description["feat_type"],
                description["hyper"],
            )
            with torch.random.fork_rng():
                torch.manual_seed(fold)
                save_file(build_model(description["model"], config).state_dict(), folder / f"fold{fold}.safetensors")
        (folder / "model.json").write_text(json.dumps(description))
        return folder

    return write


@pytest.fixture
def features(tmp_path) -> Path:
    """A features root: aud, txt, vis at both levels, clips a, b, c, d and "e f" (frames: 1, 4, 9, 2, 30)."""
    generator = np.random.default_rng(0)
    for stem, width in WIDTHS.items():
        for suffix in ("UTT", "FRA"):
            folder = tmp_path / "features" / f"{stem}-{suffix}"
            folder.mkdir(parents=True)
            for name, frames in zip(("a", "b", "c", "d", "e f"), (1, 4, 9, 2, 30), strict=True):
                rows = generator.normal(size=(frames, width)).astype(np.float32)
                np.save(folder / f"{name}.npy", rows.mean(axis=0) if suffix == "UTT" else rows)
    return tmp_path / "features"
