r"""Text features of Hugging Face models: features/<model>-UTT (or -FRA), one row per token of the transcript.

    python feature_extraction/text/extract_text_huggingface.py --dataset MER2024 --feature_level UTTERANCE \
        --model_name chinese-roberta-wwm-ext --gpu 0
    python feature_extraction/text/extract_text_huggingface.py --dataset MELD --model_name roberta-base \
        --language english --gpu -1 --dtype bfloat16
    python feature_extraction/text/extract_text_huggingface.py --dataset MER2024 --model_name Baichuan-13B-Base \
        --trust_remote_code --device_map auto --batch_tokens 2048

The model's folder is tools/transformers/<model_name>, or --model_dir. Without --dtype, models of 5e9 and more
parameters compute in float16 on a GPU, all else in float32. --language english reads the column english and writes
<model>-langeng-UTT; --punc_case case1 reads <transcript>-case1.csv and writes <model>-punccase1-UTT.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from feature_extraction.cli import extraction_parser, folder_part, run_extractor
from feature_extraction.contract import Extractor
from feature_extraction.huggingface_folder import find_model_folder
from feature_extraction.samples import text_samples
from feature_extraction.text.transcripts import INFIX, feature_stem, transcript_variant
from toolkit.globals import corpus_paths
from toolkit.utils.errors import run_main

MOST_SENTENCES = 512  # per batch; what fills a batch is --batch_tokens


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and extract."""
    args = _parser().parse_args(argv)

    def build() -> Extractor:
        folder = find_model_folder(args.model_name, args.model_dir)
        from feature_extraction.text.text_extractor import TextExtractor
        from toolkit.utils.device import resolve_device

        return TextExtractor(
            folder,
            feature_stem(args.model_name, args.language, args.punc_case),
            resolve_device(args.gpu, args.strict_gpu),
            dtype=args.dtype,
            device_map=args.device_map,
            trust_remote_code=args.trust_remote_code,
        )

    transcript: Path = transcript_variant(corpus_paths(args.dataset, args.data_root).transcript, args.punc_case)
    return run_extractor(args, build, args.language, text_samples(transcript, args.language))


def _parser() -> argparse.ArgumentParser:
    parser = extraction_parser(__doc__, batch_size=MOST_SENTENCES, modality="text")
    parser.set_defaults(dtype=None)  # None: chosen by the model's size
    parser.add_argument("--model_name", required=True, help="folder name below tools/transformers/")
    parser.add_argument("--model_dir", help="the model's folder, when it is elsewhere")
    parser.add_argument("--language", default="chinese", choices=list(INFIX), help="column of the transcript csv")
    parser.add_argument("--punc_case", type=folder_part, metavar="X", help="read <transcript>-X.csv instead")
    parser.add_argument("--device_map", choices=("auto",), help="spread a model over several GPUs (needs accelerate)")
    parser.add_argument("--trust_remote_code", action="store_true", help="run Python code found in the model's folder")
    return parser


if __name__ == "__main__":
    run_main(main)
