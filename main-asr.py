"""Transcripts of a corpus.

python main-asr.py generate_transcription_files_asr mer2024-dataset-process/audio transcription.csv
python main-asr.py generate_transcription_files_asr AUDIO_ROOT CSV --model_dir whisper-large-v2 --language chinese
python main-asr.py generate_transcription_files_asr AUDIO_ROOT CSV --gpu -1 --batch_size 4 --overwrite
python main-asr.py merge_trans_with_checked transcription.csv checked.csv transcription-merge.csv
python main-asr.py merge_trans_with_checked transcription.csv "" transcription-merge.csv --column english

AUDIO_ROOT holds <name>.wav; the merged file is what the text features read (transcription-merge.csv of the corpus). A
model folder is a path or a name below tools/transformers. The first command can be stopped and started again: clips
that the csv has are skipped (--overwrite does all again).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolkit.preprocess import asr
from toolkit.preprocess.batch import print_report
from toolkit.utils.errors import run_main
from toolkit.utils.fire_table import run_fire


def generate_transcription_files_asr(
    audio_root: str,
    csv: str,
    backend: str = "whisper",
    model_dir: str = "tools/transformers/whisper-tiny.en",
    language: str | None = None,
    gpu: int = 0,
    batch_size: int = 8,
    overwrite: bool = False,
) -> int:
    """Transcribe AUDIO_ROOT/<name>.wav into CSV (columns name, sentence)."""
    report = asr.transcribe_folder(
        Path(str(audio_root)),
        Path(str(csv)),
        lambda: asr.build_transcriber(backend, str(model_dir), gpu, language),
        batch_size=batch_size,
        overwrite=overwrite,
    )
    print_report(report, Path(str(csv)), failures_file=False)
    return report.exit_status


def merge_trans_with_checked(new: str, checked: str, merged: str, column: str = "chinese") -> int:
    """Write MERGED (columns name, COLUMN): the text of CHECKED where there is one ("" = no such file), else of NEW."""
    checked_path = Path(str(checked)) if checked else None
    count, left_out = asr.merge_transcripts(Path(str(new)), checked_path, Path(str(merged)), str(column))
    print(f"{count} checked texts -> {merged}")
    if left_out:
        print(f"{len(left_out)} checked clips are not in {new} and were left out, the first: {', '.join(left_out[:5])}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    functions = (generate_transcription_files_asr, merge_trans_with_checked)
    return run_fire(functions, argv, "main-asr.py", __doc__ or "")


if __name__ == "__main__":
    run_main(main)
