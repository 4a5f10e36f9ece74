"""wav2vec 1.0 large audio features: features/wav2vec-large-z-UTT and wav2vec-large-c-UTT (or -FRA), 512 values each.

    python feature_extraction/audio/extract_wav2vec_embedding.py --dataset MER2024 --feature_level UTTERANCE --gpu 0

z is the feature encoder's output, c the context network's, 100 Hz. The checkpoint is tools/wav2vec/wav2vec_large.pt.
"""

from __future__ import annotations

from collections.abc import Sequence

from feature_extraction.audio.wav2vec_extractor import MAX_SECONDS, Wav2VecExtractor, find_checkpoint
from feature_extraction.cli import extraction_parser, positive_float, run_extractor
from feature_extraction.contract import Extractor
from toolkit.utils.errors import run_main


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and extract."""
    parser = extraction_parser(__doc__, modality="audio")
    parser.add_argument("--checkpoint", help="the checkpoint file (default tools/wav2vec/wav2vec_large.pt)")
    parser.add_argument(
        "--max_seconds",
        type=positive_float,
        default=MAX_SECONDS,
        help="longer clips are listed as failures: a clip is computed whole, 1 GB a minute (default %(default)g)",
    )
    args = parser.parse_args(argv)
    if args.dtype != "float32":
        parser.error("--dtype: wav2vec is computed in float32 only")

    def build() -> Extractor:
        checkpoint = find_checkpoint(args.checkpoint)  # before the slow imports
        from toolkit.utils.device import resolve_device

        return Wav2VecExtractor(checkpoint, resolve_device(args.gpu, args.strict_gpu), args.max_seconds)

    return run_extractor(args, build)


if __name__ == "__main__":
    run_main(main)
