"""Saved models: the folds' best weights (safetensors) and a json with everything needed to use them again."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from safetensors.torch import save_file

from toolkit.dataloader.corpora import Corpus
from toolkit.train.crossval import RunResult
from toolkit.utils import atomic


def save(root: Path, stem: str, record: argparse.Namespace, corpus: Corpus, result: RunResult) -> Path:
    """Write ``<root>/<stem>/{fold1..foldN.safetensors, model.json}``; the folder appears whole or not at all."""
    root.mkdir(parents=True, exist_ok=True)
    atomic.remove_orphans(root)
    folder = root / stem
    with atomic.atomic_path(folder) as part:
        try:
            part.mkdir()
            for number, fold in enumerate(result.folds, start=1):
                tensors = {key: value.contiguous() for key, value in fold.weights.items()}
                save_file(tensors, part / f"fold{number}.safetensors")
            description = {
                "model": record.model,
                "feat_type": record.feat_type,
                "feat_scale": record.feat_scale,
                "features": [record.audio_feature, record.text_feature, record.video_feature],
                "feat_dims": list(result.config.feat_dims),
                "outputs": list(corpus.outputs),
                "emotions": list(corpus.emotions),
                "hyper": dict(result.config.hyper),
                "folds": len(result.folds),
                "scores": result.scores,
                "args": vars(record),
            }
            atomic.write_text(part / "model.json", json.dumps(description, indent=1, sort_keys=True) + "\n")
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    return folder
