"""The command line of ``main-predict.py``; no torch here, so that ``--help`` and a wrong flag answer at once."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from toolkit.utils.errors import UserError

# Flags that say how clips become features, with what they are when they are not given.
_OF_CLIPS = {
    "keep_work": None,
    "transcript": None,
    "asr_backend": "whisper",
    "asr_model_dir": None,
    "language": None,
    "face_backend": "auto",
}


def build_parser(description: str | None) -> argparse.ArgumentParser:
    """The parser."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", required=True, metavar="DIR", help="saved model (main-release.py --savemodel), or its save root")
    add("--video", nargs="+", metavar="PATH", help="video files, or folders of them")
    add("--features", metavar="DIR", help="instead of videos: a folder of feature folders, .../features")
    add("--names", metavar="CSV", help="with --features: only the samples of its column name (default: all)")
    add("--output", default="predictions", metavar="DIR", help="where the files go (default predictions/)")
    add("--explain", action="store_true", help="the model's weight of each modality, too (attention models)")
    add("--top_k", type=int, metavar="K", help="write pseudo-labels.csv: the K most confident samples")
    add("--per_class", action="store_true", help="with --top_k: K of each emotion")
    add("--gpu", type=int, default=0, help="GPU index, -1 = CPU (default 0; CPU when there is none)")
    add("--strict_gpu", action="store_true", help="stop when the GPU does not exist")
    clips = parser.add_argument_group("from clips to features")
    add = clips.add_argument
    add("--keep_work", metavar="DIR", help="keep sound, faces, features there; a second call goes on from them")
    add("--transcript", metavar="CSV", help="what is said (columns name and chinese, english or sentence)")
    add("--asr_backend", help="speech recogniser, as for main-asr.py (default whisper)")
    add("--asr_model_dir", metavar="DIR", help="its model (whisper, for English: whisper-tiny.en)")
    add("--language", help="the language spoken, for a multilingual model (default: it finds out)")
    add("--face_backend", choices=("auto", "openface", "mtcnn"), help="auto: as for the training data")
    return parser


def parse(argv: Sequence[str] | None, description: str | None) -> argparse.Namespace:
    """Parsed and checked arguments.

    Raises:
        UserError: every problem found, one per line.
    """
    args = build_parser(description).parse_args(argv)
    problems = [*_problems(args)]
    if problems:
        raise UserError(problems[0] if len(problems) == 1 else "\n  - ".join(["several problems:", *problems]))
    return argparse.Namespace(
        **{key: _OF_CLIPS.get(key) if value is None else value for key, value in vars(args).items()}
    )


def _problems(args: argparse.Namespace) -> Iterator[str]:
    if bool(args.video) == bool(args.features):
        yield "give either --video (clips) or --features (a folder of feature folders)"
    elif args.features:
        useless = [f"--{flag}" for flag in _OF_CLIPS if getattr(args, flag) is not None]
        if useless:
            yield f"{', '.join(useless)}: for --video only; with --features nothing is extracted"
    elif args.names:
        yield "--names goes with --features; for clips give their files to --video"
    if args.top_k is not None and args.top_k < 1:
        yield f"--top_k {args.top_k}: must be at least 1"
    if args.per_class and args.top_k is None:
        yield "--per_class goes with --top_k K"
    if args.gpu < -1:
        yield f"--gpu {args.gpu}: the index of a GPU (0, 1, ...), or -1 for the CPU"
    asr = [f"--{flag}" for flag in ("asr_backend", "asr_model_dir", "language") if getattr(args, flag) is not None]
    if args.transcript and asr:
        yield f"--transcript needs no speech recognition; leave {' and '.join(asr)} out"
