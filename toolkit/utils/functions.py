"""Small jobs that users call by name: thin aliases of the toolkit's own functions.

python -m toolkit.utils.functions func_split_audio_from_video_16k VIDEO_ROOT SAVE_ROOT
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolkit.utils.errors import run_main
from toolkit.utils.fire_table import run_fire


def func_split_audio_from_video_16k(video_root: str, save_root: str) -> int:
    """The sound of every video of VIDEO_ROOT as 16 kHz mono SAVE_ROOT/<name>.wav; finished clips are skipped."""
    # Imported here because utils lies below preprocess: these names are aliases upwards, not dependencies.
    from toolkit.preprocess.audio import split_audio
    from toolkit.preprocess.batch import print_report

    target = Path(str(save_root))  # fire turns a folder named 2024 into a number
    report = split_audio(Path(str(video_root)), target)
    print_report(report, target)
    return report.exit_status


def main(argv: Sequence[str] | None = None) -> int:
    return run_fire((func_split_audio_from_video_16k,), argv, "toolkit.utils.functions", __doc__ or "")


if __name__ == "__main__":
    run_main(main)
