"""The one save loop behind every extraction script: batches, resume, failures, progress, whole files only."""

from __future__ import annotations

import functools
import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from feature_extraction.contract import Extractor, Sample
from feature_extraction.fingerprint import fingerprint, hub_revision
from feature_extraction.finished import finished_names
from feature_extraction.manifest import Identity, claim_folder, complete_manifest, locked
from feature_extraction.names import NAME_ERRORS, name_fault, printable
from feature_extraction.policy import model_copies, threads_per_copy
from feature_extraction.tasks import ExtractBatch, Failure, LoadBatch, Result, extract_batch, in_workers, load_batch
from toolkit.data.features import LEVEL_SUFFIX, feature_folder_name
from toolkit.utils import atomic
from toolkit.utils.failures import FAILURES_FILE, update_failures
from toolkit.utils.progress import progress_bar
from toolkit.utils.read_files import read_csv


@dataclass
class ExtractionReport:
    """What one run did: counts, `failures` as (name, reason), remarks, the folders written.

    `notes` counts remarks about clips, `examples` holds the first names of each; `remarks` are about whole folders.
    """

    folders: list[Path]
    done: int = 0
    skipped: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    notes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def exit_status(self) -> int:
        """0, or 1 when any sample failed."""
        return 1 if self.failures else 0

    def add_notes(self, name: str, notes: Sequence[str]) -> None:
        """Count remarks about the clip `name`."""
        for text in notes:
            self.notes[text] += 1
            self.examples.setdefault(text, []).append(name)
            self.examples[text] = sorted(self.examples[text])[:3]


# Does the work of all batches elsewhere: (extractor, batches, level) -> (batch, results) as they come.
Engine = Callable[[Extractor, Sequence[list[Sample]], str], Generator[tuple[list[Sample], list[Result]]]]


@dataclass(frozen=True)
class Means:
    """The means of a run: clips per batch, its `budget` in units of cost, processes that read, that hold the model.

    `engine`: what does all the work instead of this process and its own ones.
    """

    batch_size: int = 8
    budget: float | None = None
    num_workers: int | None = 0
    num_procs: int | None = 1
    engine: Engine | None = None


def run_extraction(
    extractor: Extractor,
    samples: Sequence[Sample],
    features_root: Path,
    level: str,
    *,
    batch_size: int = 8,
    num_workers: int | None = 0,
    overwrite: bool = False,
    progress: bool = True,
    budget: float | None = None,
    num_procs: int | None = 1,
    infix: str = "",
    engine: Engine | None = None,
) -> ExtractionReport:
    """Extract `samples` into ``<features_root>/<stem><sep>[<infix><sep>]<UTT|FRA>/<name>.npy``.

    Samples whose files are all there are skipped unless `overwrite`. Files appear whole or not at all, so the run can
    be killed at any moment and started again.

    Args:
        num_workers: processes that read ahead (0: read in this process; None: the extractor's own default).
        num_procs: processes that hold a copy of the model each (1: only this one; None: see `policy.py`).
        budget: most cost, in the extractor's unit, of a batch.
        infix: a condition such as ``noisesnr5``.
        engine: does the work instead of this machine's processes (`engine_ray.py`).

    Raises:
        UserError: the model cannot be used, or a folder holds features of another model, formula or dtype.
    """
    started = time.perf_counter()
    folders = [features_root / output_folder(output.stem, level, infix) for output in extractor.outputs]
    report = ExtractionReport(folders)
    identities = _claim(extractor, folders, level, overwrite, report)
    samples = _savable(samples, report)
    finished = set() if overwrite else finished_names(folders, extractor.outputs, level)
    todo = [sample for sample in samples if sample.name not in finished]
    report.skipped = len(samples) - len(todo)
    copies = model_copies(extractor, samples, num_procs) if todo and engine is None else 1
    readers = extractor.default_workers if num_workers is None else num_workers
    means = Means(batch_size, budget, readers, copies, engine)

    label = " + ".join(folder.name for folder in folders)
    with (
        progress_bar(len(todo), label, enabled=progress) as bar,
        closing(_results(extractor, todo, level, means)) as batches,
    ):
        for batch, results in batches:
            for sample, result in zip(batch, results, strict=True):
                _keep(sample, result, folders, report)
                bar.update()
    report.failures.sort()
    attempted = {sample.name for sample in todo} | {name for name, _ in report.failures}
    _finish_folders(folders, identities, report, attempted)
    report.seconds = time.perf_counter() - started
    return report


def output_folder(stem: str, level: str, infix: str = "") -> str:
    """``eGeMAPS_UTT``, ``a-FRA``; with a condition ``eGeMAPS_noisesnr5_UTT``, ``a-noisesnr5-FRA``."""
    plain = feature_folder_name(stem, level)
    if not infix:
        return plain
    suffix = LEVEL_SUFFIX[level]
    separator = plain[-len(suffix) - 1]
    return f"{stem}{separator}{infix}{separator}{suffix}"


def _savable(samples: Sequence[Sample], report: ExtractionReport) -> list[Sample]:
    """The samples that a file can be named after; the others are failures, under a name that can be printed."""
    good = []
    for sample in samples:
        if fault := name_fault(sample.name):
            report.failures.append((printable(sample.name), f"its name {fault}"))
        else:
            good.append(sample)
    return good


def _claim(
    extractor: Extractor, folders: list[Path], level: str, overwrite: bool, report: ExtractionReport
) -> list[Identity]:
    model = {}
    if extractor.weights is not None:
        text = extractor.modality == "text"
        model = {"name": printable(extractor.weights.name), "fingerprint": fingerprint(extractor.weights, text)}
        if revision := hub_revision(extractor.weights):
            model["revision"] = revision
    identities = []
    for folder, output in zip(folders, extractor.outputs, strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        atomic.remove_orphans(folder)
        name = folder.name[: -len(LEVEL_SUFFIX[level]) - 1]
        dtype = extractor.dtype or "float32"
        identity = Identity(printable(name), level, output.width, dtype, extractor.formula, model)
        remark = claim_folder(folder, identity, overwrite)
        report.remarks += [remark] if remark else []
        identities.append(identity)
    return identities


def _results(
    extractor: Extractor, todo: Sequence[Sample], level: str, means: Means
) -> Iterator[tuple[list[Sample], list[Result]]]:
    """(batch, results) of all batches: computed in worker processes, or here with reading here or in processes."""
    if not todo:
        return
    if means.budget is None:
        batches = extractor.plan(todo, means.batch_size)
    else:
        batches = extractor.plan(todo, means.batch_size, means.budget)
    if means.engine is not None:
        with closing(means.engine(extractor, batches, level)) as results:
            yield from results
        return
    if means.num_procs and means.num_procs > 1 and extractor.replica is not None:
        task = ExtractBatch(extractor.replica, level, threads_per_copy(means.num_procs))
        yield from in_workers(task, batches, means.num_procs)
        return
    extractor.prepare()
    if means.num_workers and len(batches) > 1:
        with closing(in_workers(LoadBatch(extractor.load), batches, means.num_workers)) as loaded_batches:
            for batch, loaded in loaded_batches:
                yield batch, extract_batch(extractor, loaded, level)
        return
    for batch in batches:
        yield batch, extract_batch(extractor, load_batch(extractor.load, batch), level)


def _keep(sample: Sample, result: Result, folders: list[Path], report: ExtractionReport) -> None:
    """Save one sample's arrays, or note its failure."""
    report.notes.update(result.batch_notes)
    value = result.value
    if not isinstance(value, Failure):
        value = _saved(sample.name, value, folders)
    if isinstance(value, Failure):
        report.failures.append((sample.name, value.reason))
        for folder in folders:  # --overwrite: the older feature is no longer what this command gives
            with suppress(OSError):  # a name that this file system does not take
                (folder / f"{sample.name}.npy").unlink(missing_ok=True)
        return
    report.done += 1
    report.add_notes(sample.name, result.notes)


def _saved(name: str, arrays: Sequence[np.ndarray], folders: list[Path]) -> Sequence[np.ndarray] | Failure:
    """Save one sample's arrays; a name that this file system does not take is the sample's failure.

    Raises:
        OSError: anything else (no space, no permission): it would be the same for every sample.
    """
    try:
        for folder, array in zip(folders, arrays, strict=True):
            atomic.save_npy(folder / f"{name}.npy", array)
    except OSError as error:
        if error.errno not in NAME_ERRORS:
            raise
        return Failure(f"{error.filename}: {error.strerror}; rename the clip")
    return arrays


def _finish_folders(
    folders: list[Path], identities: list[Identity], report: ExtractionReport, attempted: set[str]
) -> None:
    for folder, identity in zip(folders, identities, strict=True):
        saved = functools.partial(_is_saved, folder)
        with locked(folder):
            update_failures(folder, report.failures, attempted, saved)
            listed = folder / FAILURES_FILE
            complete_manifest(folder, identity, len(read_csv(listed)) if listed.exists() else 0)


def _is_saved(folder: Path, name: str) -> bool:
    return os.path.exists(folder / f"{name}.npy")  # False, too, for names that no file can have
