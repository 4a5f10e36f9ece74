"""Find, track and align the main face of every clip of a corpus: 112 x 112 pixels, one per frame.

    python feature_extraction/visual/extract_openface.py --dataset MER2024 --type videoOne
    python feature_extraction/visual/extract_openface.py --dataset MER2024 --type videoOne --preview 20
    python feature_extraction/visual/extract_openface.py --dataset MER2024 --type videoOne --backend openface
    python feature_extraction/visual/extract_openface.py --dataset MER2024 --type faceDir --name_npy names.npy

Writes openface_face/<name>/<name>.npy (uint8, (T, 112, 112, 3), BGR) and <name>.csv (frame, time_s, confidence, x, y,
w, h). Clips: videos (videoOne) or folders of images (faceDir) in the dataset's video folder. OpenFace does it where it
is installed (below tools/openface*, or on the PATH), else MTCNN with a similarity alignment. The command can be
stopped and started again at any time: finished clips are skipped. More: docs/faces.md
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from feature_extraction.cli import positive_int
from feature_extraction.shards import Shard, shard
from toolkit.utils.errors import run_main


def main(argv: Sequence[str] | None = None) -> int:
    """Run the face step; the exit status is 1 when any clip failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--dataset", required=True, metavar="NAME", help="e.g. MER2024, or one of your own")
    add("--type", default="videoOne", choices=["videoOne", "faceDir"], help="a clip is a video, or a folder of images")
    add("--backend", default="auto", choices=["auto", "openface", "mtcnn"], help="auto: OpenFace if it is installed")
    add("--name_npy", nargs="?", metavar="FILE", help="only the clips named in this list (.npy, .csv or .txt)")
    add("--data_root", help="folder that holds <dataset>-dataset-process/ (default: MER_DATA_ROOT)")
    add("--input_root", metavar="DIR", help="folder of the clips (default: the dataset's video folder)")
    add("--num_workers", type=positive_int, default=2, help="processes (default 2)")
    add("--shard", type=shard, default=Shard(), metavar="i/n", help="only the i-th of n parts of the corpus, i from 1")
    add("--limit", type=positive_int, help="only the first N clips in name order")
    add("--overwrite", action="store_true", help="do finished clips again; of another back end or setting: all")
    add("--preview", type=positive_int, metavar="N", help="contact sheets of the first N clips")
    add("--allow_empty", action="store_true", help="a clip without a face: empty array, no failure")
    add("--min_face_size", type=positive_int, metavar="N", help="mtcnn: pixels (default 60); smaller is slower")
    add("--detect_every", type=positive_int, metavar="N", help="mtcnn: detect on every k-th frame (default 3)")
    add("--max_gap", type=positive_int, metavar="N", help="mtcnn: frames without a detection filled (default 12)")
    args = parser.parse_args(argv)

    from feature_extraction.visual.face_run import run_face_step

    return run_face_step(args)


if __name__ == "__main__":
    run_main(main)
