"""A tiny MER2024-shaped corpus with learnable random features, written once per session."""

import numpy as np
import pytest

from toolkit.data.labels import write_labels
from toolkit.globals import EMOS_MER, corpus_paths

TRAIN, TEST = 40, 7
WIDTHS = {"aud": 5, "txt": 6, "vis": 7}


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory):
    """A data root with 40 training and 7 test samples; features aud, txt, vis at both levels."""
    root = tmp_path_factory.mktemp("data")
    paths = corpus_paths("MER2024", root)
    generator = np.random.default_rng(0)
    names = [f"sample_{number:08d}" for number in range(TRAIN + TEST)]
    emotions = generator.integers(len(EMOS_MER), size=len(names))
    for stem, width in WIDTHS.items():
        centres = generator.normal(size=(len(EMOS_MER), width))
        for suffix in ("UTT", "FRA"):
            folder = paths.features / f"{stem}-{suffix}"
            folder.mkdir(parents=True)
            for name, emotion in zip(names, emotions, strict=True):
                frames = 1 if suffix == "UTT" else int(generator.integers(1, 30))
                rows = (centres[emotion] + 0.5 * generator.normal(size=(frames, width))).astype(np.float32)
                np.save(folder / f"{name}.npy", rows[0] if suffix == "UTT" else rows)
    train = {
        name: {"emo": EMOS_MER[emotion], "val": -10}
        for name, emotion in zip(names[:TRAIN], emotions[:TRAIN], strict=True)
    }
    test = {name: {"emo": "neutral", "val": -10} for name in names[TRAIN:]}
    write_labels(paths.label, {"train_corpus": train, "test1_corpus": test})
    return root


@pytest.fixture
def release_args(tiny_root, tmp_path):
    """Builds the argument list of one small run; keyword arguments override flags (None leaves one out)."""

    def build(**changes):
        flags = {
            "model": "attention",
            "feat_type": "utt",
            "dataset": "MER2024",
            "audio_feature": "aud-UTT",
            "text_feature": "txt-UTT",
            "video_feature": "vis-UTT",
            "data_root": tiny_root,
            "save_root": tmp_path / "saved",
            "epochs": 3,
            "seed": 7,
            "gpu": -1,
        } | changes
        arguments = []
        for flag, value in flags.items():
            if value is True:
                arguments.append(f"--{flag}")
            elif value is not None:
                arguments += [f"--{flag}", str(value)]
        return arguments

    return build
