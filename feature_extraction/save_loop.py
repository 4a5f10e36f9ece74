"""The one save loop behind every extraction script: batches, resume, failures, progress, whole files only."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from feature_extraction.contract import Extractor, Output, Sample
from toolkit.data.features import feature_folder_name
from toolkit.utils import atomic
from toolkit.utils.failures import update_failures
from toolkit.utils.progress import progress_bar


@dataclass
class ExtractionReport:
    """What one run did: counts, `failures` as (name, reason), the folders written."""

    folders: list[Path]
    done: int = 0
    skipped: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def exit_status(self) -> int:
        """0, or 1 when any sample failed."""
        return 1 if self.failures else 0


@dataclass(frozen=True)
class _Failure:
    reason: str


class _SafeLoad:
    """Wraps `load` so that an exception travels back as a value; picklable for worker processes."""

    def __init__(self, load: Any) -> None:
        self.load = load

    def __call__(self, sample: Sample) -> Any:
        try:
            return self.load(sample)
        except Exception as error:  # one bad clip must not stop a batch: it is listed with its reason
            return _Failure(_reason(error))


class _Batches:
    """Map-style data set over planned batches, for torch's DataLoader."""

    def __init__(self, batches: list[list[Sample]], load: _SafeLoad) -> None:
        self.batches = batches
        self.load = load

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> list[Any]:
        return [self.load(sample) for sample in self.batches[index]]


def run_extraction(
    extractor: Extractor,
    samples: Sequence[Sample],
    features_root: Path,
    level: str,
    *,
    batch_size: int = 8,
    num_workers: int = 0,
    overwrite: bool = False,
    progress: bool = True,
) -> ExtractionReport:
    """Extract `samples` into ``<features_root>/<stem><sep><UTT|FRA>/<name>.npy``.

    Samples whose files are all there are skipped unless `overwrite`. Files appear whole or not at all, so the run can
    be killed at any moment and started again. `num_workers` processes read ahead (0: read in this process).
    """
    started = time.perf_counter()
    folders = [features_root / feature_folder_name(output.stem, level) for output in extractor.outputs]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        atomic.remove_orphans(folder)
    report = ExtractionReport(folders)
    finished = set() if overwrite else _finished_names(folders, extractor.outputs, level)
    todo = [sample for sample in samples if sample.name not in finished]
    report.skipped = len(samples) - len(todo)
    batches = extractor.plan(todo, batch_size)

    label = " + ".join(folder.name for folder in folders)
    with progress_bar(len(todo), label, enabled=progress) as bar:
        for batch, loaded in zip(batches, _read_ahead(batches, extractor.load, num_workers), strict=True):
            for sample, result in _extract_each(extractor, batch, loaded):
                if isinstance(result, _Failure):
                    report.failures.append((sample.name, result.reason))
                    for folder in folders:  # --overwrite: the older feature is no longer what this command gives
                        (folder / f"{sample.name}.npy").unlink(missing_ok=True)
                else:
                    for folder, rows in zip(folders, result, strict=True):
                        atomic.save_npy(folder / f"{sample.name}.npy", rows if level == "FRAME" else rows.mean(axis=0))
                    report.done += 1
                bar.update()
    report.failures.sort()
    attempted = {sample.name for sample in todo}
    for folder in folders:
        update_failures(folder, report.failures, attempted, lambda name, at=folder: (at / f"{name}.npy").exists())
    report.seconds = time.perf_counter() - started
    return report


def _read_ahead(batches: list[list[Sample]], load: Any, num_workers: int) -> Iterable[list[Any]]:
    data = _Batches(batches, _SafeLoad(load))
    if num_workers <= 0 or len(batches) < 2:
        return (data[index] for index in range(len(data)))
    from torch.utils.data import DataLoader

    # forkserver: a fork of this process would copy its running threads' locks (OpenMP, CUDA).
    return DataLoader(
        data,
        batch_size=None,
        shuffle=False,
        num_workers=min(num_workers, len(batches)),
        collate_fn=_identity,
        multiprocessing_context="forkserver",
    )


def _identity(item: Any) -> Any:
    return item


def _extract_each(
    extractor: Extractor, batch: list[Sample], loaded: list[Any]
) -> Iterator[tuple[Sample, tuple[np.ndarray, ...] | _Failure]]:
    """Results of one batch; if the batch fails as a whole, its samples are tried one at a time."""
    good = [(sample, item) for sample, item in zip(batch, loaded, strict=True) if not isinstance(item, _Failure)]
    results: dict[str, tuple[np.ndarray, ...] | _Failure] = {
        sample.name: item for sample, item in zip(batch, loaded, strict=True) if isinstance(item, _Failure)
    }
    if good:
        try:
            rows = extractor.extract([item for _, item in good])
            for (sample, _), arrays in zip(good, rows, strict=True):
                results[sample.name] = _checked(arrays, extractor.outputs)
        except Exception:
            for sample, item in good:
                try:
                    results[sample.name] = _checked(extractor.extract([item])[0], extractor.outputs)
                except Exception as error:  # alone and still failing: this sample's own failure
                    results[sample.name] = _Failure(_reason(error))
    for sample in batch:
        yield sample, results[sample.name]


def _checked(arrays: Sequence[np.ndarray], outputs: Sequence[Output]) -> tuple[np.ndarray, ...] | _Failure:
    rows = []
    for array, output in zip(arrays, outputs, strict=True):
        array = np.asarray(array, dtype=np.float32)
        if array.ndim != 2 or array.shape[1] != output.width:
            raise ValueError(f"{output.stem}: expected an array (T, {output.width}), got {array.shape}")
        if not np.isfinite(array).all():
            return _Failure(f"{output.stem}: the model gave a value that is not finite (NaN or infinity)")
        rows.append(array if len(array) else np.zeros((1, output.width), np.float32))
    return tuple(rows)


def _finished_names(folders: list[Path], outputs: Sequence[Output], level: str) -> set[str]:
    """Names whose file is whole in every folder."""
    names: set[str] | None = None
    for folder, output in zip(folders, outputs, strict=True):
        whole = 128 + 4 * output.width  # bytes of an utterance file: npy header, then float32
        found = set()
        for entry in os.scandir(folder):
            if entry.name.endswith(".npy") and not entry.name.startswith("."):
                if (level == "UTTERANCE" and entry.stat().st_size == whole) or _is_whole(entry.path, output.width):
                    found.add(entry.name[: -len(".npy")])
        names = found if names is None else names & found
    return names or set()


def _is_whole(path: str, width: int) -> bool:
    """The header is readable, names rows of `width`, and the file is as long as it says."""
    try:
        array = np.lib.format.open_memmap(path, mode="r")  # np.load would open a zip of that name, too
    except (ValueError, OSError, EOFError):
        return False
    return array.ndim in (1, 2) and array.size > 0 and array.shape[-1] == width


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    name = type(error).__name__
    return text if name in ("SampleError", "UserError") and text else f"{name}: {text}" if text else name
