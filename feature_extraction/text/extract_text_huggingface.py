r"""Text features of Hugging Face models: features/<model>-UTT (or -FRA), <model>-langeng-UTT for English transcripts.

    python feature_extraction/text/extract_text_huggingface.py --dataset MER2024 --feature_level UTTERANCE \
        --model_name chinese-roberta-wwm-ext --gpu 0
    python feature_extraction/text/extract_text_huggingface.py --dataset MELD --model_name roberta-base \
        --language english --gpu -1

The model's folder is tools/transformers/<model_name>, or --model_dir.
"""

from __future__ import annotations

from collections.abc import Sequence

from feature_extraction.cli import extraction_parser, run_extractor
from feature_extraction.contract import Extractor
from feature_extraction.huggingface_folder import find_model_folder
from toolkit.utils.errors import run_main

INFIX = {"chinese": "", "english": "-langeng"}  # column of the transcript csv -> infix of the feature folder


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and extract."""
    parser = extraction_parser(__doc__, batch_size=32)
    parser.add_argument("--model_name", required=True, help="folder name below tools/transformers/")
    parser.add_argument("--model_dir", help="the model's folder, when it is elsewhere")
    parser.add_argument("--language", default="chinese", choices=list(INFIX), help="column of the transcript csv")
    args = parser.parse_args(argv)

    def build() -> Extractor:
        folder = find_model_folder(args.model_name, args.model_dir)
        from feature_extraction.text.text_extractor import TextExtractor
        from toolkit.utils.device import resolve_device

        stem = args.model_name + INFIX[args.language]
        return TextExtractor(folder, stem, resolve_device(args.gpu, args.strict_gpu))

    return run_extractor(args, build, args.language)


if __name__ == "__main__":
    run_main(main)
