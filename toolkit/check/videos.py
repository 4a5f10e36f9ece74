"""The videos of a corpus: readable, whole, of the length they declare."""

from __future__ import annotations

import functools
from collections import Counter
from pathlib import Path

from toolkit.check.findings import Part
from toolkit.check.subject import Subject, census, compare_names, lengths_differ, list_files, spread
from toolkit.check.video_probe import VideoFacts, probe_video
from toolkit.check.workers import Failed, Workers
from toolkit.preprocess.media import VIDEO_SUFFIXES
from toolkit.utils.failures import FAILURES_FILE, older_failures


def check_videos(subject: Subject, workers: Workers) -> Part:
    """Look at every video; their lengths are kept for the sounds, their frame counts for the faces."""
    folder = subject.paths.video
    part = Part("videos", "videos", str(folder))
    if not folder.is_dir():
        part.add("video_folder", str(folder))
        return part
    found, others = list_files(folder, VIDEO_SUFFIXES)
    for other in others:
        if other != FAILURES_FILE:  # the preprocess command's own
            part.add("video_other", other)
    for name, reason in older_failures(folder):
        part.add("video_dropped", name, reason)
    for name, files in found.items():
        if len(files) > 1:
            part.add("video_twice", name, " and ".join(file.name for file in files))
    if not subject.names:
        subject.names, subject.source = tuple(found), f"the videos of {folder.name}/"
    compare_names(part, subject, found, "video_missing", "video_extra")

    totals = _Totals()
    changed = subject.changed.setdefault("video", {})
    probe = functools.partial(probe_video, decode=not subject.quick)
    items = [str(files[0]) for files in found.values()]
    for path, facts in workers.each(probe, items, "videos"):
        name = Path(path).stem
        if isinstance(facts, Failed):
            part.add("check_failed", name, facts.reason)
            continue
        changed[name] = facts.changed
        _judge(part, name, facts)
        if facts.pictures is not None:
            subject.frames[name] = facts.frames
            subject.sounds[name] = facts.pictures if facts.sound is None else facts.sound
        totals.add(facts)
    totals.tell(part, len(found), subject.quick)
    return part


def _judge(part: Part, name: str, facts: VideoFacts) -> None:
    for code, detail in facts.faults:
        part.add(code, name, detail)
    lengths = [seconds for seconds in (facts.pictures, facts.sound) if seconds is not None]
    if facts.pictures is None or not lengths:
        return
    real = max(lengths)
    if facts.declared is not None and lengths_differ(facts.declared, real):
        detail = f"declares {facts.declared:.2f} s, holds {real:.2f} s ({facts.frames:,} frames)"
        part.add("video_length", name, detail)
    if len(lengths) == 2 and lengths_differ(*lengths):
        part.add("video_streams", name, f"pictures {lengths[0]:.2f} s, sound {lengths[1]:.2f} s")


class _Totals:
    """Sums over all videos."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.frames = 0
        self.sizes, self.rates, self.codecs, self.sounds = Counter(), Counter(), Counter(), Counter()

    def add(self, facts: VideoFacts) -> None:
        if facts.pictures is None:
            return
        self.seconds.append(facts.pictures)
        self.frames += facts.frames
        self.sizes[facts.size] += 1
        self.rates[facts.rate] += 1
        self.codecs[facts.codec] += 1
        self.sounds[facts.sound_format] += 1

    def tell(self, part: Part, count: int, quick: bool) -> None:
        part.fact("files", f"{count:,}, {len(self.seconds):,} readable")
        if self.seconds:
            counted = "packets counted, nothing decoded: --quick" if quick else "all decoded"
            part.fact("length", f"{spread(self.seconds)}; {sum(self.seconds) / 3600:.2f} h in all")
            part.fact("frames", f"{self.frames:,} ({counted})")
            for label, counts in (("size", self.sizes), ("rate", self.rates)):
                part.fact(label, census(counts))
            part.fact("codecs", f"{census(self.codecs)}; sound: {census(self.sounds)}")
