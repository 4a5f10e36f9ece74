"""From what a corpus module states to the processed folder: videos, label files, transcripts, and a true report."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from toolkit.data.labels import Labels, read_labels, write_labels
from toolkit.globals import CorpusPaths
from toolkit.preprocess.batch import BatchReport, printable, run_jobs
from toolkit.preprocess.cut import time_fault
from toolkit.preprocess.made import digest_of, read_made
from toolkit.preprocess.media import VIDEO_SUFFIXES, MediaError, ffmpeg_path
from toolkit.preprocess.place import ClipJob, clip_job, clip_work, is_placed
from toolkit.preprocess.raw_corpus import Clip, LabelKeys, RawCorpus
from toolkit.preprocess.transcripts import write_transcripts
from toolkit.utils.errors import UserError

LONGEST = 246  # bytes of a name: file systems take 255, with the suffix of its longest file


@dataclass(frozen=True)
class Options:
    """How the work is done: `link` of uncut videos (a key of `toolkit.preprocess.place.LINKS`), clips at a time."""

    link: str = "hard"
    num_workers: int | None = None
    overwrite: bool = False
    progress: bool = True


@dataclass(frozen=True)
class Prepared:
    """What a run did: the report on all clips, and label file name -> key -> samples written."""

    report: BatchReport
    written: Mapping[str, Mapping[str, int]]


def prepare(raw: RawCorpus, paths: CorpusPaths, options: Options) -> Prepared:
    """Place or cut every clip that is not there yet, then write label files and transcripts where they would change.

    A clip that fails stays out of the label files; it is one of the report's failures.
    """
    refused = BatchReport()
    clips = _usable(raw.clips, refused)
    if any(clip.is_cut for clip in clips):
        ffmpeg_path()  # its absence is no clip's fault
    paths.video.mkdir(parents=True, exist_ok=True)  # also when not one clip is usable: the list of failures goes there
    made = read_made(paths.root)
    jobs = _without_twins([clip_job(clip, paths.video) for clip in clips], refused)
    made.plan_cuts(jobs)
    report = run_jobs(
        jobs,
        clip_work(options.link),
        "videos",
        num_workers=options.num_workers,
        finished=functools.partial(is_placed, link=options.link),
        overwrite=options.overwrite,
        progress=options.progress,
    )
    failed = {name for name, _ in report.failures}
    usable = {job.name for job in jobs if printable(job.name) not in failed}
    report.failures += refused.failures
    for name, reason in raw.problems:
        report.fail(name, MediaError(reason))
    report.warnings += [(printable(name), printable(text)) for name, text in raw.remarks]
    written = {}
    for file, keys in raw.labels.items():
        labels = _of_usable(keys, usable, report)
        written[file] = {key: len(of_key) for key, of_key in labels.items()}
        if any(labels.values()):
            _write_labels(paths.root / file, labels)
    if raw.transcripts:
        ours = made.transcripts == digest_of(paths.transcript) if made.transcripts else None
        kept = write_transcripts(paths.transcript, raw.transcripts, options.overwrite, usable, ours)
        report.warnings += kept
        made.transcripts = made.transcripts if kept else digest_of(paths.transcript)
        made.save()
    report.failures[:] = sorted(set(report.failures))
    report.warnings.sort()
    return Prepared(report, written)


def _usable(clips: Sequence[Clip], refused: BatchReport) -> list[Clip]:
    """The clips that can be tried; of several of one name the first."""
    usable: dict[str, Clip] = {}
    for clip in clips:
        reason = _clip_fault(clip)
        if clip.name in usable:
            reason = "its name comes more than once; the first clip of this name was used"
        if reason:
            refused.fail(clip.name, MediaError(reason))
        else:
            usable[clip.name] = clip
    return list(usable.values())


def _without_twins(jobs: Sequence[ClipJob], refused: BatchReport) -> list[ClipJob]:
    """The jobs beside whose target no video of the same name and another suffix lies: later commands refuse two."""
    there: dict[str, list[str]] = {}
    for entry in os.scandir(jobs[0].target.parent) if jobs else ():
        stem, suffix = os.path.splitext(entry.name)
        if suffix.lower() in VIDEO_SUFFIXES:
            there.setdefault(stem, []).append(entry.name)
    kept = []
    for job in jobs:
        others = sorted(set(there.get(job.name, ())) - {job.target.name})
        if others:
            reason = f"{job.target.with_name(others[0])} is there, of an earlier run; remove it and run again"
            refused.fail(job.name, MediaError(reason))
        else:
            kept.append(job)
    return kept


def _clip_fault(clip: Clip) -> str:
    if not clip.name or clip.name.startswith(".") or "/" in clip.name or "\0" in clip.name:
        return f"{clip.name!r} cannot be the name of a file"
    if len(os.fsencode(clip.name)) > LONGEST:
        return f"its name has {len(os.fsencode(clip.name))} bytes, file names at most {LONGEST} beside their suffix"
    if not clip.source.is_file():
        return f"its video is missing: {clip.source}"
    return time_fault(clip)


def _of_usable(keys: LabelKeys, usable: set[str], report: BatchReport) -> dict[str, Labels]:
    """The labels of usable clips; a name in two keys stays in the first."""
    listed = {name for name, _ in report.failures}
    kept: dict[str, Labels] = {}
    taken: dict[str, str] = {}
    for key, labels in keys.items():
        kept[key] = {}
        for name, label in labels.items():
            if name in taken:
                report.fail(name, MediaError(f"is in {taken[name]} and in {key}; it stays in {taken[name]}"))
            elif name in usable:
                kept[key][name], taken[name] = dict(label), key
            elif printable(name) not in listed:
                report.fail(name, MediaError("has a label, but the download names no video for it"))
    return kept


def _write_labels(path: Path, labels: Mapping[str, Labels]) -> None:
    if path.exists():
        with suppress(UserError):  # unreadable: written anew
            if _as_lists(read_labels(path)) == _as_lists(labels):
                return
    write_labels(path, labels)


def _as_lists(labels: Mapping[str, Labels]) -> list:
    return [(key, list(of_key.items())) for key, of_key in labels.items()]
