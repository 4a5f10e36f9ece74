"""MER2024 from its download: ``video/<name>.mp4`` and ``label-6way.npz`` of ``mer2024-dataset-process/``.

python -m toolkit.preprocess.mer2024
python -m toolkit.preprocess.mer2024 --raw_root /download/mer2024-dataset --data_root /data --link copy

The download holds video-labeled/, video-unlabeled-with-test2noise/ and label-disdim.csv (columns name, discrete, ...).
Videos are hard links where the file system can (no space used), else copies. Labels: train_corpus are the rows of the
csv in file order, test1_corpus every unlabelled clip in name order. MER2024 trains on the discrete labels only, so
every valence is the missing value -10; the labels of test1 are hidden: "neutral" stands there as a placeholder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolkit.globals import EMOS_MER, MISSING_VALENCE, CorpusPaths
from toolkit.preprocess.command import run_corpus
from toolkit.preprocess.raw_corpus import Clip, RawCorpus
from toolkit.preprocess.raw_tables import read_emotion, read_table, require_parts, videos_by_name
from toolkit.utils.errors import run_main

LABELLED, UNLABELLED, LABEL_CSV = "video-labeled", "video-unlabeled-with-test2noise", "label-disdim.csv"
KNOWN = {"train_corpus": 5030, "test1_corpus": 115595}  # clips of the whole corpus
HIDDEN_EMOTION = "neutral"


def read(raw_root: Path, paths: CorpusPaths) -> RawCorpus:
    """Read the download's csv and list its folders.

    Raises:
        UserError: a part is missing (all missing parts are named), or the csv is wrong (names the line).
    """
    require_parts(
        raw_root, (LABELLED, UNLABELLED, LABEL_CSV), "MER2024", "an empty folder stands for videos you do not have"
    )
    emotions = read_emotions(raw_root / LABEL_CSV)
    labelled, unlabelled = videos_by_name(raw_root / LABELLED), videos_by_name(raw_root / UNLABELLED)
    hidden = {name: path for name, path in unlabelled.items() if name not in emotions}
    clips = [Clip(name, labelled.get(name, raw_root / LABELLED / f"{name}.mp4")) for name in emotions]
    twice = f"is labelled, but a video of this name is in {UNLABELLED} too; not in test1"
    unused = f"a video in {LABELLED} without a label in {LABEL_CSV}; not used"
    labels = {
        "train_corpus": {name: {"emo": emotion, "val": MISSING_VALENCE} for name, emotion in emotions.items()},
        "test1_corpus": {name: {"emo": HIDDEN_EMOTION, "val": MISSING_VALENCE} for name in hidden},
    }
    return RawCorpus(
        clips=clips + [Clip(name, path) for name, path in hidden.items()],
        labels={paths.label.name: labels},
        known={paths.label.name: KNOWN},
        problems=[(name, twice) for name in emotions if name in unlabelled],
        remarks=[(name, unused) for name in labelled if name not in emotions],
    )


def read_emotions(path: Path) -> dict[str, str]:
    """Name -> emotion from ``label-disdim.csv``, in file order.

    Raises:
        UserError: a column is missing, a name is empty or repeated, or an emotion is unknown (names the line).
    """
    rows = read_table(path, ("name", "discrete"), unique="name")
    return {
        row["name"]: read_emotion(path, number, row["discrete"], row["name"], EMOS_MER)
        for number, row in enumerate(rows)
    }


def main(argv: Sequence[str] | None = None) -> int:
    return run_corpus(argv, __doc__, "MER2024", "MER2024", read)


if __name__ == "__main__":
    run_main(main)
