r"""VideoMAE features of the aligned faces, from the two challenge checkpoints: 768 values.

    python feature_extraction/visual/extract_sun_videomae.py --dataset MER2024 --feature_level UTTERANCE \
        --model vit_base_patch16_160 --finetune tools/videomae-base-VoxCeleb2/checkpoint-99.pth --gpu 0
    python feature_extraction/visual/extract_sun_videomae.py --dataset MER2024 --feature_level UTTERANCE \
        --model vit_base_patch16_224 --finetune tools/videomae-base-K400-mer2023/checkpoint-299.pth --gpu 0

Writes features/<folder of the checkpoint>-<epoch>-UTT, for example videomae-base-VoxCeleb2-99-UTT, or with
--feature_level FRAME ...-FRA: one row per face, from the 16 faces around it (16 times the work of a face).
"""

from __future__ import annotations

from collections.abc import Sequence

from feature_extraction.cli import run_extractor
from feature_extraction.contract import Extractor
from feature_extraction.visual.face_script import face_dtype, face_parser
from feature_extraction.visual.sun_videomae_extractor import (
    PLACES,
    SIZES,
    SunVideoMAEExtractor,
    folder_stem,
    require_folder,
)
from toolkit.utils.errors import run_main


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and extract."""
    parser = face_parser(__doc__, "--finetune")
    parser.add_argument("--model", default="vit_base_patch16_224", choices=SIZES)
    parser.add_argument("--input_size", type=int, help="pixels; only the model's own: 160 or 224 (default)")
    parser.add_argument("--short_side_size", type=int, help="as --input_size")
    args = parser.parse_args(argv)
    for flag in ("input_size", "short_side_size"):
        if getattr(args, flag) not in (None, SIZES[args.model]):
            parser.error(f"--{flag} {getattr(args, flag)}: {args.model} takes {SIZES[args.model]}")

    def build() -> Extractor:
        checkpoint = PLACES[args.model].find(args.finetune)  # before the slow imports
        folder_stem(checkpoint)
        require_folder(args.model, checkpoint)
        from toolkit.utils.device import resolve_device

        device = resolve_device(args.gpu, args.strict_gpu)
        return SunVideoMAEExtractor(args.model, checkpoint, device, args.feature_level, face_dtype(args, device))

    return run_extractor(args, build)


if __name__ == "__main__":
    run_main(main)
