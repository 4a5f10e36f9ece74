"""Peak memory of a top-n run (18 features, a large test set) beside the size of its arrays."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from toolkit.data.features import feature_folder_name
from toolkit.data.labels import write_labels
from toolkit.data.listing import settled_listing
from toolkit.data.packing import write_packed
from toolkit.globals import (
    AUDIO_RANK_LOW2HIGH,
    EMOS_MER,
    IMAGR_RANK_LOW2HIGH,
    TEXT_RANK_LOW2HIGH,
    corpus_paths,
    featname_mapping_reverse,
)

WIDTHS = (1024, 1024, 768, 768, 1280, 512) + (1024, 768, 1024, 4096, 4096, 5120) + (512, 768, 768, 768, 768, 768)
RANKS = (AUDIO_RANK_LOW2HIGH, TEXT_RANK_LOW2HIGH, IMAGR_RANK_LOW2HIGH)
CHILD = """
import json, resource, sys, threading, time
from toolkit.train.arguments import parse
from toolkit.train.inputs import load_inputs
from toolkit.train.run import train
arguments = json.loads(sys.argv[1])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
before = peak()
loaded = load_inputs(parse(arguments, None))
arrays = [rows for data in (loaded.train, *loaded.tests.values()) for rows in data.inputs]
size = sum(rows.nbytes for rows in {id(rows): rows for rows in arrays}.values())
read = peak()
del loaded, arrays
status = train(parse(arguments, None))
print(json.dumps({"before": before, "read": read, "trained": peak(), "arrays": size / 2**30, "status": status}))
"""


def benchmark_memory(folder: Path | None, short: bool) -> None:
    """Print arrays, peak after reading and peak after one trial of one epoch, in GB."""
    train, test = (500, 2000) if short else (5030, 20000)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        root = Path(temporary)
        paths = corpus_paths("MER2024", root)
        names = [f"sample_{number:08d}" for number in range(train + test)]
        emotions = {name: {"emo": EMOS_MER[number % 6], "val": -10} for number, name in enumerate(names)}
        splits = {"train_corpus": names[:train], "test1_corpus": names[train:]}
        paths.label.parent.mkdir(parents=True, exist_ok=True)
        write_labels(paths.label, {key: {name: emotions[name] for name in part} for key, part in splits.items()})
        generator = np.random.default_rng(0)
        ranked = [name for ranks in RANKS for name in ranks[-6:]]
        for name, width in zip(ranked, WIDTHS, strict=True):
            made = paths.features / feature_folder_name(featname_mapping_reverse.get(name, name), "UTTERANCE")
            made.mkdir(parents=True)
            for sample in names:
                np.save(made / f"{sample}.npy", generator.standard_normal(width, dtype=np.float32))
            packed = paths.features / ".packed" / f"{made.name}.npy"
            packed.parent.mkdir(exist_ok=True)
            write_packed(packed, made, settled_listing(made))
        arguments = ["--model", "attention_topn", "--feat_type", "utt", "--dataset", "MER2024", "--fusion_topn", "6"]
        arguments += ["--data_root", str(root), "--save_root", str(root / "saved"), "--epochs", "1", "--gpu", "-1"]
        arguments += ["--seed", "1"]
        output = subprocess.run(
            [sys.executable, "-c", CHILD, json.dumps(arguments)], capture_output=True, text=True, env=dict(os.environ)
        )
        if output.returncode:
            raise SystemExit(output.stderr)
        found = json.loads(output.stdout.splitlines()[-1])
    print(f"\nmemory: {len(WIDTHS)} features of {sum(WIDTHS)} in all, {train} training and {test} test samples")
    print(
        f"  arrays {found['arrays']:.2f} GB; peak of the process before {found['before']:.2f} GB, "
        f"after reading {found['read']:.2f} GB, after training {found['trained']:.2f} GB"
    )
