"""VGGish audio features: features/vggish_UTT (or vggish_FRA), 128 values.

    python feature_extraction/audio/extract_vggish_embedding.py --dataset MER2024 --feature_level UTTERANCE --gpu 0

The checkpoint is tools/vggish/vggish-10086976.pth (the PyTorch port), or vggish.pth, converted from TensorFlow's
vggish_model.ckpt (`python -m feature_extraction.vggish_conversion --help`); --model_dir names another folder.
"""

from __future__ import annotations

from collections.abc import Sequence

from feature_extraction.audio.vggish_extractor import VggishExtractor, find_checkpoint
from feature_extraction.cli import extraction_parser, run_extractor
from feature_extraction.contract import Extractor
from toolkit.utils.errors import run_main


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and extract."""
    parser = extraction_parser(__doc__, modality="audio")
    parser.add_argument("--model_dir", help="folder of the checkpoint (default tools/vggish)")
    parser.add_argument(
        "--relu",
        action="store_true",
        help="the embedding after a ReLU, as the PyTorch port gives it (and TensorFlow's code before 2020); "
        "folder vggish-relu",
    )
    args = parser.parse_args(argv)
    if args.dtype != "float32":
        parser.error("--dtype: VGGish is computed in float32 only")

    def build() -> Extractor:
        checkpoint = find_checkpoint(args.model_dir)  # before the slow imports
        from toolkit.utils.device import resolve_device

        device = resolve_device(args.gpu, args.strict_gpu)
        return VggishExtractor(checkpoint, args.feature_level, device, args.relu)

    return run_extractor(args, build)


if __name__ == "__main__":
    run_main(main)
