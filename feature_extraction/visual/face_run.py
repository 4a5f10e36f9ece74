"""The face step as its script runs it: which clips, which back end, the report, the contact sheets."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from feature_extraction.cli import print_report
from feature_extraction.visual.face_backends import choose_backend
from feature_extraction.visual.face_clips import ABSENT, clip_samples, only_named, passed_over
from feature_extraction.visual.face_files import face_path, is_whole
from feature_extraction.visual.face_preview import write_contact_sheets
from feature_extraction.visual.faces import extract_faces
from toolkit.globals import corpus_paths
from toolkit.preprocess.media import VIDEO_SUFFIXES

SETTINGS = ("min_face_size", "detect_every", "max_gap")  # flags of MTCNN; None: not given
SLOW_FACE_SIZE, USUAL_FACE_SIZE = 20, 60  # pixels


def run_face_step(args: argparse.Namespace) -> int:
    """Do what the command line of ``extract_openface.py`` says; the exit status is 1 when any clip failed."""
    paths = corpus_paths(args.dataset, args.data_root)
    clips = Path(args.input_root).expanduser().absolute() if args.input_root else paths.video
    samples, absent = clip_samples(clips, args.type, bool(args.input_root)), []
    if args.name_npy:  # old scripts give the flag alone, without a list
        samples, absent = only_named(samples, Path(args.name_npy).expanduser())
    samples = args.shard.select(samples[: args.limit])
    given = {key: getattr(args, key) for key in SETTINGS if getattr(args, key) is not None}
    backend, remarks = choose_backend(args.backend, args.type, given, paths.face, args.overwrite)
    size = given.get("min_face_size", USUAL_FACE_SIZE)
    if size < SLOW_FACE_SIZE and backend.name == "mtcnn":
        times = round((USUAL_FACE_SIZE / size) ** 2)
        print(f"note: --min_face_size {size} takes about {times} times as long as {USUAL_FACE_SIZE}", file=sys.stderr)
    reason = f"{ABSENT} {args.name_npy}, but {clips} has no such clip"
    report = extract_faces(
        samples,
        paths.face,
        backend,
        num_workers=args.num_workers,
        overwrite=args.overwrite,
        allow_empty=args.allow_empty,
        absent=[(name, reason) for name in absent] if args.shard.index == 1 else None,  # once, not by every shard
    )
    report.remarks += remarks
    if args.type == "videoOne" and (others := passed_over(clips)):
        such = f"{', '.join(others[:3])}{', ...' if len(others) > 3 else ''}"
        report.remarks.append(f"{len(others)} of {clips} passed over, no {', '.join(VIDEO_SUFFIXES)} file: {such}")
    print_report(report)
    if args.preview:
        done = [(sample.name, face_path(paths.face, sample.name)) for sample in samples]
        done = [clip for clip in done if is_whole(clip[1])][: args.preview]
        part = f"_{args.shard.index}_of_{args.shard.total}" if args.shard.total > 1 else ""
        for sheet in write_contact_sheets(done, paths.root / "openface_preview", f"sheet{part}_"):
            print(f"preview: {sheet}")
    return report.exit_status
