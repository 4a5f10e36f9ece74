"""Transcripts of a corpus.

python main-asr.py generate_transcription_files_asr mer2024-dataset-process/audio transcription.csv
python main-asr.py generate_transcription_files_asr AUDIO_ROOT CSV --model_dir whisper-large-v2 --language chinese
python main-asr.py generate_transcription_files_asr AUDIO_ROOT CSV --backend faster-whisper --gpu -1
python main-asr.py generate_transcription_files_asr AUDIO_ROOT CSV --backend funasr --overwrite
python main-asr.py refinement_transcription_files_asr transcription.csv transcription-punctuated.csv
python main-asr.py merge_trans_with_checked transcription.csv checked.csv transcription-merge.csv
python main-asr.py merge_trans_with_checked transcription.csv "" transcription-merge.csv --column english

AUDIO_ROOT holds <name>.wav; the merged file is what the text features read (transcription-merge.csv of the corpus). A
model folder is a path or a name below tools/transformers, tools/faster-whisper or tools/funasr (by back end). The first
two commands can be stopped and started again: what the csv has is skipped (--overwrite does all). docs/transcripts.md
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from toolkit.preprocess import asr, asr_backends, punctuation
from toolkit.preprocess.batch import print_report
from toolkit.utils.errors import run_main
from toolkit.utils.fire_table import run_fire


def generate_transcription_files_asr(
    audio_root: str,
    csv: str,
    backend: str = "whisper",
    model_dir: str | None = None,
    language: str | None = None,
    gpu: int = 0,
    batch_size: int = 8,
    overwrite: bool = False,
) -> int:
    """Transcribe AUDIO_ROOT/<name>.wav into CSV (columns name, sentence); BACKEND: whisper, faster-whisper, funasr."""
    build = partial(asr_backends.build_transcriber, backend, model_dir, gpu, language)
    report = asr.transcribe_folder(Path(audio_root), Path(csv), build, batch_size=batch_size, overwrite=overwrite)
    print_report(report, Path(csv), failures_file=False)
    return report.exit_status


def refinement_transcription_files_asr(
    old: str, new: str, language: str = "chinese", model_dir: str | None = None, gpu: int = 0, overwrite: bool = False
) -> int:
    """Restore punctuation: OLD (columns name, sentence) -> NEW; empty and punctuated sentences stay as they are."""
    build = partial(asr_backends.build_punctuation, model_dir, gpu, language)
    refined = punctuation.refine_transcripts(Path(old), Path(new), build, overwrite)
    print_report(refined.report, Path(new), failures_file=False)
    print(f"{refined.marked} sentences had punctuation and {refined.empty} were empty: copied as they are")
    return refined.report.exit_status


def merge_trans_with_checked(new: str, checked: str, merged: str, column: str = "chinese") -> int:
    """Write MERGED (columns name, COLUMN): the text of CHECKED where there is one ("" = no such file), else of NEW."""
    count, left_out = asr.merge_transcripts(Path(new), Path(checked) if checked else None, Path(merged), column)
    print(f"{count} checked texts -> {merged}")
    if left_out:
        print(f"{len(left_out)} checked clips are not in {new} and were left out, the first: {', '.join(left_out[:5])}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    functions = (generate_transcription_files_asr, refinement_transcription_files_asr, merge_trans_with_checked)
    return run_fire(functions, argv, "main-asr.py", __doc__ or "")


if __name__ == "__main__":
    run_main(main)
