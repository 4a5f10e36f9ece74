"""mini-Xception (FER2013) features of the aligned faces.

    python feature_extraction/visual/extract_minixception_embedding.py --dataset MER2024 --feature_level UTTERANCE
    python feature_extraction/visual/extract_minixception_embedding.py --dataset MER2024 --feature_level FRAME --gpu -1

Writes features/mini-xception-UTT (128 per clip) or features/mini-xception-FRA (128 per face). The faces come from
extract_openface.py, the weights from `./run-mer2024.sh setup`.
"""

from __future__ import annotations

from collections.abc import Sequence

from feature_extraction.cli import extraction_parser, run_extractor
from toolkit.utils.errors import run_main


def main(argv: Sequence[str] | None = None) -> int:
    """Extract the feature; the exit status is 1 when any clip failed."""
    parser = extraction_parser(__doc__, batch_size=16)
    parser.add_argument("--model_dir", help="folder of emotion_model.hdf5 (default tools/fer2013-mini-xception)")
    args = parser.parse_args(argv)

    from feature_extraction.visual.minixception_extractor import MiniXceptionExtractor
    from toolkit.utils.device import resolve_device

    return run_extractor(args, lambda: MiniXceptionExtractor(resolve_device(args.gpu, args.strict_gpu), args.model_dir))


if __name__ == "__main__":
    run_main(main)
