r"""Audio features of Hugging Face models: features/<model>-UTT (or -FRA).

    python feature_extraction/audio/extract_audio_huggingface.py --dataset MER2024 --feature_level UTTERANCE \
        --model_name whisper-base --gpu 0

The model's folder is tools/transformers/<model_name>, or --model_dir. Supported so far: Whisper.
"""

from __future__ import annotations

from collections.abc import Sequence

from feature_extraction.cli import extraction_parser, run_extractor
from feature_extraction.contract import Extractor
from feature_extraction.huggingface_folder import find_model_folder, require_model_type
from toolkit.utils.errors import run_main

SUPPORTED = ("whisper",)  # model_type in config.json


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and extract."""
    parser = extraction_parser(__doc__)
    parser.add_argument("--model_name", required=True, help="folder name below tools/transformers/, e.g. whisper-base")
    parser.add_argument("--model_dir", help="the model's folder, when it is elsewhere")
    args = parser.parse_args(argv)

    def build() -> Extractor:
        folder = find_model_folder(args.model_name, args.model_dir)
        require_model_type(folder, SUPPORTED)  # before the slow imports
        from feature_extraction.audio.whisper_extractor import WhisperExtractor
        from toolkit.utils.device import resolve_device

        return WhisperExtractor(folder, args.model_name, resolve_device(args.gpu, args.strict_gpu))

    return run_extractor(args, build)


if __name__ == "__main__":
    run_main(main)
