"""Find, track and align the main face of every video of a corpus: 112 x 112 pixels, one per frame.

    python feature_extraction/visual/extract_openface.py --dataset MER2024 --type videoOne
    python feature_extraction/visual/extract_openface.py --dataset MER2024 --type videoOne --preview 20

Writes openface_face/<name>/<name>.npy (uint8, (T, 112, 112, 3), BGR) and <name>.csv (frame, time_s, confidence, x, y,
w, h). The name is OpenFace's, which did this in the MER2024 baseline; here it is MTCNN and a similarity alignment.
The command can be stopped and started again at any time: finished clips are skipped.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from feature_extraction.cli import positive_int, print_report
from toolkit.globals import CORPUS_LAYOUTS, corpus_paths
from toolkit.utils.errors import run_main


def main(argv: Sequence[str] | None = None) -> int:
    """Run the face step; the exit status is 1 when any clip failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True, choices=list(CORPUS_LAYOUTS), metavar="NAME", help="e.g. MER2024")
    parser.add_argument("--type", default="videoOne", choices=["videoOne"], help="input: one video file per clip")
    parser.add_argument("--name_npy", action="store_true", help="accepted for old scripts: the npy is always written")
    parser.add_argument("--data_root", help="folder that holds <dataset>-dataset-process/ (default: MER_DATA_ROOT)")
    parser.add_argument("--num_workers", type=positive_int, default=2, help="processes (default 2)")
    parser.add_argument("--limit", type=positive_int, help="only the first N clips in name order")
    parser.add_argument("--overwrite", action="store_true", help="do finished clips again")
    parser.add_argument("--preview", type=positive_int, metavar="N", help="contact sheets of the first N clips")
    parser.add_argument("--allow_empty", action="store_true", help="a clip without a face: empty array, no failure")
    parser.add_argument("--min_face_size", type=positive_int, default=60, help="pixels (default 60); smaller is slower")
    parser.add_argument("--detect_every", type=positive_int, default=3, help="detect on every k-th frame (default 3)")
    parser.add_argument(
        "--max_gap", type=positive_int, default=12, help="frames without a detection filled (default 12)"
    )
    args = parser.parse_args(argv)

    from feature_extraction.visual.face_preview import write_contact_sheets
    from feature_extraction.visual.faces import extract_faces, face_path, is_whole, video_samples
    from feature_extraction.visual.video_faces import FaceOptions

    paths = corpus_paths(args.dataset, args.data_root)
    samples = video_samples(paths.video)[: args.limit]
    report = extract_faces(
        samples,
        paths.face,
        FaceOptions(args.min_face_size, args.detect_every, args.max_gap),
        num_workers=args.num_workers,
        overwrite=args.overwrite,
        allow_empty=args.allow_empty,
    )
    print_report(report)
    if args.preview:
        clips = [(sample.name, face_path(paths.face, sample.name)) for sample in samples]
        clips = [clip for clip in clips if is_whole(clip[1])][: args.preview]
        for sheet in write_contact_sheets(clips, paths.root / "openface_preview"):
            print(f"preview: {sheet}")
    return report.exit_status


if __name__ == "__main__":
    run_main(main)
