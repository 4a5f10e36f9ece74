"""Small jobs that users call by name: thin aliases of the toolkit's own functions.

python -m toolkit.utils.functions func_split_audio_from_video_16k VIDEO_ROOT SAVE_ROOT
python -m toolkit.utils.functions func_find_false_audio VIDEO_ROOT AUDIO_ROOT
python -m toolkit.utils.functions check_feature_completeness --target_dataset MER2024 --suffix UTT
python -m toolkit.utils.functions func_compress_openface_into_npy FACE_ROOT SAVE_ROOT
python -m toolkit.utils.functions func_avi_to_mp4 VIDEO_ROOT [--save_root DIR] [--remove_avi] [--overwrite]
python -m toolkit.utils.functions PCC TRUE_CSV PREDICTED_CSV --column valence
python -m toolkit.utils.functions CCC TRUE_CSV PREDICTED_CSV --column valence
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.utils.errors import UserError, run_main
from toolkit.utils.fire_table import run_fire

if TYPE_CHECKING:
    import numpy as np

# Imports are inside the functions because utils lies below the packages that do the work: these names are aliases
# upwards, not dependencies.


def func_split_audio_from_video_16k(video_root: str, save_root: str) -> int:
    """The sound of every video of VIDEO_ROOT as 16 kHz mono SAVE_ROOT/<name>.wav; finished clips are skipped."""
    from toolkit.preprocess.audio import split_audio
    from toolkit.preprocess.batch import print_report

    target = _path(save_root)
    report = split_audio(_path(video_root), target)
    print_report(report, target)
    return report.exit_status


def func_find_false_audio(video_root: str, audio_root: str) -> int:
    """Name the wavs of AUDIO_ROOT that are missing, unreadable, empty or cut short, one per video of VIDEO_ROOT."""
    from toolkit.check.false_audio import find_false_audio, print_false_audio

    return print_false_audio(find_false_audio(_path(video_root), _path(audio_root)), _path(video_root))


def check_feature_completeness(
    intermerdia: str | None = None,
    suffix: str | None = None,
    target_dataset: str | None = None,
    data_root: str | None = None,
) -> int:
    """Shape and number of every feature folder, and how many clips of the label file it lacks.

    Args:
        intermerdia: only folders with this in their name (the baseline's spelling), such as langeng or noise.
        suffix: only folders whose name ends so, such as UTT.
        target_dataset: only this corpus; default: every one that has features.
        data_root: folder that holds <dataset>-dataset-process/.
    """
    from toolkit.check.completeness import print_completeness

    return print_completeness(target_dataset, data_root, intermerdia, suffix)


def func_compress_openface_into_npy(face_root: str, save_root: str) -> int:
    """The pictures of FACE_ROOT/<name>/ as one array SAVE_ROOT/<name>/<name>.npy, uint8 (T, H, W, 3), BGR."""
    from toolkit.preprocess.batch import print_report
    from toolkit.preprocess.face_images import compress_faces

    target = _path(save_root)
    report = compress_faces(_path(face_root), target)
    print_report(report, target)
    return report.exit_status


def func_avi_to_mp4(
    video_root: str, save_root: str | None = None, remove_avi: bool = False, overwrite: bool = False
) -> int:
    """Every .avi of VIDEO_ROOT as .mp4 beside it, or in SAVE_ROOT; finished ones are skipped.

    Args:
        video_root: folder of the videos.
        save_root: folder of the new ones; default VIDEO_ROOT.
        remove_avi: remove an avi when this run has made its mp4, whole. (Other commands refuse two videos of one name.)
        overwrite: make finished ones again.
    """
    from toolkit.preprocess.avi_to_mp4 import convert_folder
    from toolkit.preprocess.batch import print_report

    source = _path(video_root)
    target = source if save_root is None else _path(save_root)
    report = convert_folder(source, target, remove_avi=remove_avi, overwrite=overwrite)
    print_report(report, target, failures_file=target != source)
    if target == source and not remove_avi:
        print(
            "the .avi files are still there, and other commands take one video per name: "
            "--remove_avi --overwrite converts again and removes them"
        )
    return report.exit_status


def PCC(true_csv: str, predicted_csv: str, column: str = "valence") -> int:  # noqa: N802  (the measure's name)
    """Pearson correlation of COLUMN of two csvs, joined by their column name."""
    from toolkit.utils.metric import pearson

    return _print_agreement("PCC", pearson, true_csv, predicted_csv, column)


def CCC(true_csv: str, predicted_csv: str, column: str = "valence") -> int:  # noqa: N802
    """Concordance correlation of COLUMN of two csvs, joined by their column name."""
    from toolkit.utils.metric import concordance

    return _print_agreement("CCC", concordance, true_csv, predicted_csv, column)


def calculate_pcc(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """Pearson correlation of two arrays ``(N,)``."""
    from toolkit.utils.metric import pearson

    return pearson(y_pred, y_true)


def calculate_ccc(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """Concordance correlation of two arrays ``(N,)``; pairs with a NaN are left out."""
    import numpy as np

    from toolkit.utils.metric import concordance

    pairs = np.array([y_true, y_pred], dtype=np.float64)  # (2, N)
    pairs = pairs[:, ~np.isnan(pairs).any(axis=0)]
    return concordance(pairs[1], pairs[0])


def _print_agreement(title: str, measure, true_csv: str, predicted_csv: str, column: str) -> int:
    from toolkit.utils.paired_columns import read_pairs

    true, predicted, left_out = read_pairs(_path(true_csv), _path(predicted_csv), column)
    if left_out:
        print(f"{left_out} names stand in one of the files only and are left out")
    print(f"{title} {measure(predicted, true):.6f} over {len(true)} samples")
    return 0


def _path(text: str) -> Path:
    if not str(text):
        raise UserError("an empty path; name a folder or file")
    return Path(str(text)).expanduser()


FUNCTIONS = (
    func_split_audio_from_video_16k,
    func_find_false_audio,
    check_feature_completeness,
    func_compress_openface_into_npy,
    func_avi_to_mp4,
    PCC,
    CCC,
)


def main(argv: Sequence[str] | None = None) -> int:
    return run_fire(FUNCTIONS, argv, "toolkit.utils.functions", __doc__ or "")


if __name__ == "__main__":
    run_main(main)
