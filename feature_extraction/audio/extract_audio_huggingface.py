r"""Audio features of Hugging Face models: features/<model>-UTT (or -FRA).

    python feature_extraction/audio/extract_audio_huggingface.py --dataset MER2024 --feature_level UTTERANCE \
        --model_name chinese-hubert-large --gpu 0
    python feature_extraction/audio/extract_audio_huggingface.py --dataset MER2024 --model_name whisper-base \
        --noise_case snr5 --gpu -1

The model's folder is tools/transformers/<model_name>, or --model_dir. Whisper, and every speech encoder that takes the
wave: wav2vec2, HuBERT, WavLM, data2vec-audio, UniSpeech, SEW, ...; see docs/extraction.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from feature_extraction.cli import extraction_parser, run_extractor
from feature_extraction.contract import Extractor
from feature_extraction.huggingface_folder import find_model_folder, read_model_type
from toolkit.utils.errors import run_main


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and extract."""
    parser = extraction_parser(__doc__, batch_size=64, modality="audio")
    parser.add_argument("--model_name", required=True, help="folder name below tools/transformers/, e.g. whisper-base")
    parser.add_argument("--model_dir", help="the model's folder, when it is elsewhere")
    args = parser.parse_args(argv)

    def build() -> Extractor:
        folder = find_model_folder(args.model_name, args.model_dir)
        whisper = read_model_type(folder) == "whisper"  # before the slow imports
        from feature_extraction.audio.speech_extractor import SpeechExtractor
        from feature_extraction.audio.whisper_extractor import WhisperExtractor
        from toolkit.utils.device import resolve_device

        device = resolve_device(args.gpu, args.strict_gpu)
        if whisper:
            return WhisperExtractor(folder, args.model_name, device, args.dtype)
        return SpeechExtractor(
            folder, args.model_name, device, args.feature_level, args.dtype, batch_seconds=args.batch_seconds
        )

    return run_extractor(args, build)


if __name__ == "__main__":
    run_main(main)
