"""`compare`: several predictions side by side, with paired bootstrap intervals of their differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from toolkit.openset import report
from toolkit.openset.bootstrap import interval, resampled_means
from toolkit.openset.grouping import names_of, saved_replies
from toolkit.openset.metric import print_failures, score_groups
from toolkit.openset.options import MetricOptions
from toolkit.openset.passes import check_options, choose, make_groupings
from toolkit.openset.samples import read_samples
from toolkit.openset.scoring import SampleScore
from toolkit.utils import atomic
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import write_csv

TABLE_COLUMNS = ("prediction", "accuracy", "recall", "score", "low", "high", "difference", "diff_low", "diff_high")


def run_compare(
    systems: Sequence[MetricOptions], resamples: int = 10000, seed: int = 0, out: Path | None = None
) -> int:
    """Score every system with ONE kind of grouping, print a table; returns 1 when replies are missing.

    Differences are against the first system, over the samples that all systems have a score for.

    Raises:
        UserError: fewer than two systems, or bad input.
    """
    if len(systems) < 2:
        raise UserError("--pred_csvs needs at least two files with commas between them")
    _check_files(systems)
    if resamples < 100:
        raise UserError(f"--resamples {resamples} must be at least 100")
    read = [read_samples(options.gt_csv, options.pred_csv, options.label_parser) for options in systems]
    kind = _one_kind(systems, read)
    columns: list[dict[str, SampleScore]] = []
    stopped = False
    for options, samples in zip(systems, read, strict=True):
        print(f"{options.pred_csv}")
        groupings = make_groupings(samples, replace(options, grouping=kind))
        print(f"  GROUPING: {groupings[0].how}")
        for line in (*report.join_lines(samples), *groupings[0].notes):
            print(f"  {line}")
        stopped |= print_failures(groupings, options.allow_missing)
        if not stopped:
            columns.append({score.name: score for score in score_groups(samples, groupings[0]).samples})
    if stopped:
        return 1
    _print_table([options.pred_csv for options in systems], columns, resamples, seed, out)
    return 0


def _check_files(systems: Sequence[MetricOptions]) -> None:
    """Replies belong to one prediction file, so no two files may use the same ones."""
    files: set[Path] = set()
    roots: dict[Path, Path] = {}
    for options in systems:
        check_options(options)
        if options.pred_csv.absolute() in files:
            raise UserError(f"--pred_csvs names {options.pred_csv} twice")
        files.add(options.pred_csv.absolute())
        if options.grouping in ("wheel", "exact"):
            continue
        other = roots.setdefault(options.store.folder.absolute(), options.pred_csv)
        if other != options.pred_csv:
            raise UserError(
                f"{other} and {options.pred_csv} would both use the replies in {options.store.folder}; name a place "
                "for each by --synonym_roots A,B, or take --grouping wheel or exact, which need none"
            )


def told_apart(files: Sequence[Path]) -> list[str]:
    """The end of each path, as much of it as makes all different."""
    for length in range(1, max(len(path.parts) for path in files) + 1):
        names = ["/".join(path.parts[-length:]) for path in files]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in files]


def _one_kind(systems: Sequence[MetricOptions], read: Sequence) -> str:
    """The grouping for all: scores of different groupings cannot be compared."""
    kind = systems[0].grouping
    if kind != "auto":
        return kind
    kinds = [
        choose(kind, [(options.store, saved_replies(samples, options.store, options.label_parser))], options)
        for options, samples in zip(systems, read, strict=True)
    ]
    return "chatgpt" if set(kinds) == {"chatgpt"} else "wheel"


def _print_table(
    files: Sequence[Path], columns: Sequence[dict[str, SampleScore]], resamples: int, seed: int, out: Path | None
) -> None:
    shown = told_apart(files)
    names = sorted(set.intersection(*(set(column) for column in columns)))
    if not names:
        raise UserError("no sample has a score in all predictions")
    left_out = sorted(set().union(*columns) - set(names))
    if left_out:
        print(f"{len(left_out)} samples are scored in some predictions only, left out: {names_of(left_out)}")
    scores = np.array([[(column[name].accuracy, column[name].recall) for column in columns] for name in names])
    average = scores.mean(axis=2)  # (samples, systems)
    width = max(10, *map(len, shown))
    print(f"\n{len(names)} samples; 95% bootstrap intervals, {resamples} resamples, seed {seed}")
    print(f"{'prediction':<{width}}  accuracy   recall   score  95% interval    against the first  95% interval")
    rows = []
    for index, path in enumerate(files):
        accuracy, recall = scores[:, index].mean(axis=0)
        # A pair at a time, paired by its resamples: few pairs of scores differ, triples would be many.
        draws = resampled_means(average[:, [0, index]], resamples, seed)
        own = interval(average[:, index].mean(), draws[:, 1])
        line = f"{shown[index]:<{width}}  {accuracy:8.4f} {recall:8.4f}  {own.mean:.4f}  {own.low:.4f}..{own.high:.4f}"
        row = [str(path).encode("utf-8", "replace").decode("utf-8"), accuracy, recall, own.mean, own.low, own.high]
        if index:
            gap = average[:, index] - average[:, 0]
            found = interval(gap.mean(), draws[:, 1] - draws[:, 0])
            sure = "" if found.low <= 0 <= found.high else "  differs"
            line += f"  {found.mean:+17.4f}  {found.low:+.4f}..{found.high:+.4f}{sure}"
            row += [found.mean, found.low, found.high]
        print(line)
        rows.append(row + [""] * (len(TABLE_COLUMNS) - len(row)))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        atomic.remove_orphans(out)  # of a run that was killed while it wrote here
        write_csv(out / "comparison.csv", TABLE_COLUMNS, rows)
        print(f"the table as csv -> {out / 'comparison.csv'}")
