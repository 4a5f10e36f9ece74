"""emotion2vec audio features: features/emotion2vec-UTT, or emotion2vec-finetune-UTT (or -FRA), 768 values.

    python feature_extraction/audio/extract_emotion2vec.py --dataset MER2024 --feature_level UTTERANCE --gpu 0
    python feature_extraction/audio/extract_emotion2vec.py --dataset MER2024 --feature_level FRAME --finetune

Needs the extra emotion2vec (`pip install '.[emotion2vec]'`: funasr) and a model: tools/emotion2vec/ (the files of
iic/emotion2vec_base on modelscope.cn) or tools/emotion2vec-finetune/ (iic/emotion2vec_base_finetuned).
"""

from __future__ import annotations

from collections.abc import Sequence

from feature_extraction.audio.emotion2vec_extractor import Emotion2vecExtractor, find_model
from feature_extraction.cli import extraction_parser, run_extractor
from feature_extraction.contract import Extractor
from toolkit.utils.errors import run_main


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and extract."""
    parser = extraction_parser(__doc__, modality="audio")
    parser.add_argument("--finetune", action="store_true", help="the model fine-tuned for emotion recognition")
    parser.add_argument("--model_dir", help="the model's folder, when it is elsewhere")
    args = parser.parse_args(argv)
    if args.dtype != "float32":
        parser.error("--dtype: emotion2vec is computed in float32 only")

    def build() -> Extractor:
        folder = find_model(args.finetune, args.model_dir)  # before the slow imports
        from toolkit.utils.device import resolve_device

        device = resolve_device(args.gpu, args.strict_gpu)
        return Emotion2vecExtractor(folder, args.feature_level, device, args.finetune)

    return run_extractor(args, build)


if __name__ == "__main__":
    run_main(main)
