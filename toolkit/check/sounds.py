"""The sound files of a corpus: 16 kHz mono, whole, heard, as long as their videos."""

from __future__ import annotations

import functools
import os
import wave
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.check.findings import Part
from toolkit.check.subject import Subject, census, compare_names, lengths_differ, list_files, spread
from toolkit.check.workers import Failed, Workers
from toolkit.preprocess.media import SAMPLE_RATE

SILENCE = 0.001  # -60 dB below full scale
FULL_SCALE = 32767 / 32768  # of int16, as a float
CLIPPED_SHARE = 0.001
_BLOCK = 1 << 20  # samples read at once
_UNKNOWN = 0x7FFFFFFF // 2  # programs that write into a pipe announce about this many frames, or more


@dataclass
class SoundFacts:
    """What a sound file is; `seconds` None: it cannot be read. `faults`: (code, detail)."""

    changed: float = 0.0
    seconds: float | None = None
    form: str = ""
    faults: tuple[tuple[str, str], ...] = ()


def probe_sound(path: str | os.PathLike, read: bool = True) -> SoundFacts:
    """The header of `path` and, unless `read` is off, all of its samples."""
    import soundfile

    facts = SoundFacts()
    try:
        facts.changed = os.stat(path).st_mtime
        with soundfile.SoundFile(os.fspath(path)) as sound:
            _describe(sound, facts, _announced_frames(path))
            if read and sound.frames:
                facts.faults += tuple(_listen(sound))
    except UnicodeEncodeError:
        facts.faults = (("audio_unreadable", "its name is not UTF-8; rename the file"),)
    except (OSError, RuntimeError) as error:  # soundfile's own errors are RuntimeErrors
        facts.seconds = None
        words = " ".join(str(getattr(error, "error_string", "") or error).split())
        facts.faults = (("audio_unreadable", words),)
    return facts


def _describe(sound: Any, facts: SoundFacts, announced: int | None) -> None:
    facts.form = f"{sound.samplerate} Hz, {sound.channels} ch, {sound.subtype}"
    if not sound.frames:
        facts.faults = (("audio_unreadable", "no samples"),)
        return
    facts.seconds = sound.frames / sound.samplerate
    if (sound.samplerate, sound.channels, sound.subtype) != (SAMPLE_RATE, 1, "PCM_16"):
        facts.faults += (("audio_format", facts.form),)
    if announced is not None and announced > sound.frames:
        detail = f"announces {announced / sound.samplerate:.2f} s, holds {facts.seconds:.2f} s"
        facts.faults += (("audio_cut", detail),)


def _announced_frames(path: str | os.PathLike) -> int | None:
    """Frames that the header names (libsndfile gives those that are there); None: not said, or not plain PCM."""
    try:
        with open(path, "rb") as file, wave.open(file) as header:
            frames = header.getnframes()
    except (wave.Error, EOFError):
        return None
    return frames if frames < _UNKNOWN else None


def _listen(sound: Any) -> list[tuple[str, str]]:
    """Faults of the samples, a block at a time."""
    peak, clipped, total = 0.0, 0, 0
    for block in sound.blocks(_BLOCK, dtype="float32", always_2d=True):
        level = np.abs(block)
        if not np.isfinite(level).all():
            return [("audio_not_finite", "")]
        peak = max(peak, float(level.max(initial=0.0)))
        clipped += int((level >= FULL_SCALE).sum())
        total += level.size
    if peak < SILENCE:
        return [("audio_silent", f"peak {peak:.5f}")]
    if clipped > CLIPPED_SHARE * total:
        return [("audio_clipped", f"{clipped / total:.1%} of the samples")]
    return []


def check_sounds(subject: Subject, workers: Workers) -> Part:
    """Look at every wav of the corpus."""
    folder = subject.paths.audio
    part = Part("audio", "audio", str(folder))
    if not folder.is_dir():
        part.add("audio_folder", str(folder))
        return part
    found, _ = list_files(folder, (".wav",))
    for name, files in found.items():
        if len(files) > 1:
            part.add("audio_twice", name, " and ".join(file.name for file in files))
    if not subject.names:
        subject.names, subject.source = tuple(found), f"the sounds of {folder.name}/"
    compare_names(part, subject, found, "audio_missing", "audio_extra")

    forms: Counter[str] = Counter()
    seconds: list[float] = []
    changed = subject.changed.setdefault("audio", {})
    probe = functools.partial(probe_sound, read=not subject.quick)
    for path, facts in workers.each(probe, [str(files[0]) for files in found.values()], "audio"):
        name = Path(path).stem
        if isinstance(facts, Failed):
            part.add("check_failed", name, facts.reason)
            continue
        changed[name] = facts.changed
        for code, detail in facts.faults:
            part.add(code, name, detail)
        if facts.changed < subject.changed.get("video", {}).get(name, 0.0):
            part.add("audio_stale", name)
        if facts.seconds is None:
            continue
        forms[facts.form] += 1
        seconds.append(facts.seconds)
        expected = subject.sounds.get(name)
        if expected is not None and lengths_differ(facts.seconds, expected):
            part.add("audio_length", name, f"{facts.seconds:.2f} s, in the video {expected:.2f} s")
    part.fact("files", f"{len(found):,}, {len(seconds):,} readable" + (" (headers only: --quick)" * subject.quick))
    if seconds:
        part.fact("length", f"{spread(seconds)}; {sum(seconds) / 3600:.2f} h in all")
        part.fact("form", census(forms))
    return part
