"""Which sounds a split of videos into wavs left out, or left broken."""

from __future__ import annotations

import functools
from pathlib import Path

from toolkit.check.findings import shown
from toolkit.check.sounds import probe_sound
from toolkit.check.subject import list_files
from toolkit.check.workers import Failed, Workers
from toolkit.preprocess.batch import default_workers
from toolkit.preprocess.media import VIDEO_SUFFIXES
from toolkit.utils.errors import UserError

BROKEN = ("audio_unreadable", "audio_cut", "audio_not_finite")  # the rest is odd, not false


def find_false_audio(video_root: Path, audio_root: Path, workers: int | None = None) -> list[tuple[Path, str]]:
    """(wav, what is wrong) of every video of `video_root` whose wav is missing, unreadable, empty or cut short.

    Raises:
        UserError: no such folder, or no video in it.
    """
    for folder in (video_root, audio_root):
        if not folder.is_dir():
            raise UserError(f"{folder} is not a folder")
    videos, _ = list_files(video_root, VIDEO_SUFFIXES)
    if not videos:
        raise UserError(f"{video_root} holds no videos ({', '.join(VIDEO_SUFFIXES)})")
    there = {name: files[0] for name, files in list_files(audio_root, (".wav",))[0].items()}
    false = [(audio_root / f"{name}.wav", "is missing") for name in videos if name not in there]
    items = [str(path) for name, path in there.items() if name in videos]
    with Workers(default_workers() if workers is None else workers) as pool:
        for path, facts in pool.each(functools.partial(probe_sound, read=True), items, "audio"):
            if isinstance(facts, Failed):
                false.append((Path(path), facts.reason))
                continue
            details = [detail or "NaN or infinity" for code, detail in facts.faults if code in BROKEN]
            false += [(Path(path), detail) for detail in details]
    return sorted(false)


def print_false_audio(false: list[tuple[Path, str]], videos: Path) -> int:
    """One line per wav; the exit status."""
    for path, reason in false:
        print(f"{shown(str(path))}: {reason}")
    print(f"{len(false):,} of the sounds of {shown(str(videos))} are missing or broken")
    return 1 if false else 0
