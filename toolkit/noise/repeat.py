"""Reading a manifest that is to be repeated (``--from_manifest``), checked before anything runs."""

from __future__ import annotations

import math
from pathlib import Path

from toolkit.noise.choices import VIDEO_CODECS, check_blurs, check_snrs
from toolkit.noise.manifest import ClipRecord, read_rows
from toolkit.utils.errors import UserError


def read_repeat(path: Path, pictures: bool) -> dict[str, ClipRecord]:
    """The rows by clip name.

    Args:
        pictures: whether it is to be the manifest of a set of videos (else of sounds).

    Raises:
        UserError: not there, no clips, of the other kind, or an impossible value; names file and line.
    """
    rows = read_rows(path)
    if not rows:
        raise UserError(f"--from_manifest {path} holds no clips")
    for line, row in rows:
        place = f"--from_manifest {path}, line {line}"
        try:
            _check_kind(row, pictures)
            _check_values(row)
        except UserError as error:
            raise UserError(f"{place}: {error}") from None
    return {row.video_name: row for _, row in rows}


def drawn_from(given: dict[str, ClipRecord], path: Path) -> tuple[int, ...]:
    """The SNRs that the rows of manifest `path` were drawn from."""
    text = next(iter(given.values())).snrs
    try:
        return tuple(int(part) for part in text.split())
    except ValueError:
        raise UserError(f"--from_manifest {path}: snrs {text!r} are no integers") from None


def listed_clips(clips: list[Path], given: dict[str, ClipRecord], place: str, manifest: Path | None) -> list[Path]:
    """The clips (of the folder that is called `place`) that `given`, the rows of `manifest`, list.

    Raises:
        UserError: some are not there.
    """
    missing = sorted(given.keys() - {clip.stem for clip in clips})
    if missing:
        shown = ", ".join(missing[:5])
        raise UserError(f"{place} lacks {len(missing)} of the {len(given)} clips of {manifest}, the first: {shown}")
    return [clip for clip in clips if clip.stem in given]


def _check_kind(row: ClipRecord, pictures: bool) -> None:
    for column in ("video_codec", "video_blur"):
        value = getattr(row, column)
        if pictures and not value:
            raise UserError(f"{column} is empty: this manifest is of sounds (add_noise_multiprocess)")
        if value and not pictures:
            raise UserError(f"{column} is {value}: this manifest is of videos (main_mixture_multiprocess)")


def _check_values(row: ClipRecord) -> None:
    codec = row.settings[-1]
    if codec and codec not in VIDEO_CODECS:
        raise UserError(f"video_codec {codec} is not one of {', '.join(VIDEO_CODECS)}")
    check_blurs((row.blur,), "video_blur")
    check_snrs((row.snr,), "audio_snr")
    pieces = row.pieces
    if any(piece.start < 0 or piece.samples < 1 for piece in pieces):
        raise UserError(f"audio_noises {row.audio_noises} names samples that cannot be")
    if pieces and not row.audio_snr:
        raise UserError("audio_snr is empty, but there is noise in audio_noises")
    if pieces and not (math.isfinite(row.gain) and row.gain > 0):
        raise UserError(f"noise_gain {row.noise_gain!r} is no positive number")
    if row.tries < 0:
        raise UserError(f"noise_tries {row.noise_tries} is negative")
