"""CMU-MOSEI from its download: ``subvideo/<video>_<clip>.mp4`` cut out of full videos, ``label.npz``, transcripts.

python -m toolkit.preprocess.cmumosei --raw_root /download/CMU-MOSEI/Raw --data_root /data --workers 8

The download holds Videos/Full/Combined/<video>.mp4, Transcript/Segmented/Combined/<video>.txt with lines
``video___clip___start___end___text`` (seconds), and CMUMOSEI_features_raw_2way.pkl (which may lie in the processed
folder instead): names, sentiment from -3 to 3 (kept as valence), sentences, splits. Only clips with a label are cut:
the frames with start <= time < end, encoded anew (--link has no meaning here). Transcripts have the column english.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolkit.globals import CorpusPaths
from toolkit.preprocess.cmu import english, read_table, split_labels
from toolkit.preprocess.command import run_corpus
from toolkit.preprocess.raw_corpus import Clip, RawCorpus
from toolkit.preprocess.raw_tables import read_lines, require_parts, videos_by_name
from toolkit.utils.errors import run_main

VIDEOS, SEGMENTS = "Videos/Full/Combined", "Transcript/Segmented/Combined"
KNOWN = {"train_corpus": 16326, "val_corpus": 1871, "test_corpus": 4659}


def read(raw_root: Path, paths: CorpusPaths) -> RawCorpus:
    """Read the table, the segments of its videos, and list the videos.

    Raises:
        UserError: a part is missing, or the table is wrong.
    """
    require_parts(raw_root, (VIDEOS, SEGMENTS), "CMU-MOSEI")
    table = read_table(raw_root, paths)
    labels = split_labels(table)
    videos = videos_by_name(raw_root / VIDEOS)
    clips, problems, remarks = [], [], []
    for video in dict.fromkeys(video for of_split in table.splits for video in of_split):
        path = raw_root / SEGMENTS / f"{video}.txt"
        times = read_segments(path, remarks) if path.is_file() else {}
        source = videos.get(video, raw_root / VIDEOS / f"{video}.mp4")
        for name, _, _ in table.clips[video]:
            if name in times:
                clips.append(Clip(name, source, *times[name]))
            else:
                problems.append((name, f"has a label but no times in {path}" + ("" if times else " (not there)")))
    return RawCorpus(clips, {paths.label.name: labels}, {paths.label.name: KNOWN}, english(table), problems, remarks)


def read_segments(path: Path, remarks: list[tuple[str, str]]) -> dict[str, tuple[float, float]]:
    """Name -> (start, end) in seconds of one video's clips; of a repeated name the first.

    Lines that are no segments are added to `remarks`.

    Raises:
        UserError: the file is not UTF-8.
    """
    times: dict[str, tuple[float, float]] = {}
    for number, line in read_lines(path):
        parts = line.split("___", 4)
        try:
            video, clip, start, end, _ = parts
            times.setdefault(f"{video}_{clip}", (float(start), float(end)))
        except ValueError:
            remarks.append((path.stem, f"{path}, line {number} is not video___clip___start___end___text; not used"))
    return times


def main(argv: Sequence[str] | None = None) -> int:
    return run_corpus(argv, __doc__, "CMU-MOSEI", "CMUMOSEI", read)


if __name__ == "__main__":
    run_main(main)
