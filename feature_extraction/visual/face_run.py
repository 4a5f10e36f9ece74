"""The face step as its script runs it: which clips, which back end, the report, the contact sheets."""

from __future__ import annotations

import argparse
from pathlib import Path

from feature_extraction.cli import print_report
from feature_extraction.visual.face_backends import choose_backend
from feature_extraction.visual.face_clips import clip_samples, only_named
from feature_extraction.visual.face_files import face_path, is_whole
from feature_extraction.visual.face_preview import write_contact_sheets
from feature_extraction.visual.faces import extract_faces
from feature_extraction.visual.video_faces import FaceOptions
from toolkit.globals import corpus_paths


def run_face_step(args: argparse.Namespace) -> int:
    """Do what the command line of ``extract_openface.py`` says; the exit status is 1 when any clip failed."""
    paths = corpus_paths(args.dataset, args.data_root)
    clips = Path(args.input_root).expanduser().absolute() if args.input_root else paths.video
    samples, absent = clip_samples(clips, args.type), []
    if args.name_npy:  # old scripts give the flag alone, without a list
        samples, absent = only_named(samples, Path(args.name_npy).expanduser())
    samples = args.shard.select(samples[: args.limit])
    options = FaceOptions(args.min_face_size, args.detect_every, args.max_gap)
    backend = choose_backend(args.backend, args.type, options, paths.face, args.overwrite)
    report = extract_faces(
        samples,
        paths.face,
        backend,
        num_workers=args.num_workers,
        overwrite=args.overwrite,
        allow_empty=args.allow_empty,
    )
    report.failures += [(name, f"stands in {args.name_npy}, but {clips} has no such clip") for name in absent]
    print_report(report)
    if args.preview:
        done = [(sample.name, face_path(paths.face, sample.name)) for sample in samples]
        done = [clip for clip in done if is_whole(clip[1])][: args.preview]
        part = f"_{args.shard.index}_of_{args.shard.total}" if args.shard.total > 1 else ""
        for sheet in write_contact_sheets(done, paths.root / "openface_preview", f"sheet{part}_"):
            print(f"preview: {sheet}")
    return report.exit_status
