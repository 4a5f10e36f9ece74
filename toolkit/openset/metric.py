"""`main_metric`: read, group, score, print."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from toolkit.openset import report
from toolkit.openset.grouping import Grouping
from toolkit.openset.options import MetricOptions
from toolkit.openset.passes import check_options, make_groupings, without_effect
from toolkit.openset.samples import Samples, read_samples
from toolkit.openset.scoring import Score, mean_score, merge_map, score_sample
from toolkit.utils.errors import UserError

MAX_LISTED = 20


def score_groups(samples: Samples, grouping: Grouping, names: Collection[str] | None = None) -> Score:
    """The score of the samples that have groups, or of `names` among them.

    Raises:
        UserError: none has.
    """
    scored = {name: groups for name, groups in grouping.groups.items() if names is None or name in names}
    if not scored:
        raise UserError("no sample has a usable reply (in every pass), there is nothing to score")
    return mean_score(
        score_sample(name, samples.gt[name], samples.pred[name], merge_map(groups)) for name, groups in scored.items()
    )


def in_all(groupings: Sequence[Grouping]) -> set[str]:
    """The samples that every pass has groups for: means over passes compare only those."""
    return set.intersection(*(set(grouping.groups) for grouping in groupings))


def all_failures(groupings: Sequence[Grouping]) -> dict[str, str]:
    """name -> reason; of several passes each reason with its number."""
    found: dict[str, list[str]] = {}
    for number, grouping in enumerate(groupings, 1):
        for name, why in grouping.failures.items():
            found.setdefault(name, []).append(f"pass {number}: {why}" if len(groupings) > 1 else why)
    return {name: "; ".join(reasons) for name, reasons in sorted(found.items())}


def print_failures(groupings: list[Grouping], allow_missing: bool) -> bool:
    """List what has no usable reply; True when that forbids a score."""
    failures = all_failures(groupings)
    if not failures:
        return False
    print(f"{len(failures)} samples have no usable reply:")
    for name, why in sorted(failures.items())[:MAX_LISTED]:
        print(f"  failed: {name}: {why}")
    if len(failures) > MAX_LISTED:
        print(f"  ... and {len(failures) - MAX_LISTED} more: {', '.join(sorted(failures)[MAX_LISTED:])}")
    if allow_missing:
        passes = ", of every pass" if len(groupings) > 1 else ""
        print(f"they are left out of the score{passes} (--allow_missing)")
    else:
        print("no score: run again (only these are asked for), or score the others with --allow_missing")
    return not allow_missing


def run_metric(options: MetricOptions) -> int:
    """Score and print; returns the exit status (1: replies are missing).

    Raises:
        UserError: bad input.
    """
    check_options(options)
    samples = read_samples(options.gt_csv, options.pred_csv, options.label_parser)
    if options.wheel_root is not None:
        return _by_published_wheels(samples, options)
    groupings = make_groupings(samples, options)
    print(f"GROUPING: {groupings[0].how}")
    print("".join(f"  pass {number}: {grouping.how}\n" for number, grouping in enumerate(groupings[1:], 2)), end="")
    lines = report.join_lines(samples) + [note for grouping in groupings for note in grouping.notes]
    print("".join(f"  {line}\n" for line in dict.fromkeys(lines)), end="")
    if print_failures(groupings, options.allow_missing):
        return 1
    names = in_all(groupings)
    scores = [score_groups(samples, grouping, names) for grouping in groupings]
    if len(scores) > 1:
        print("\n".join(report.repeat_lines(scores)))
    accuracy, recall = (float(np.mean([getattr(score, key) for score in scores])) for key in ("accuracy", "recall"))
    average = scores[0].average if len(scores) == 1 else (accuracy + recall) / 2
    print("\n".join(report.score_lines(accuracy, recall, average, len(scores[0].samples))))
    if options.table:
        print("\n".join(report.table_lines(scores[0].samples)))
    if options.out is not None:
        for number, (score, grouping) in enumerate(zip(scores, groupings, strict=True), 1):
            file = report.SAMPLES_CSV if number == 1 else f"samples-{number}.csv"
            report.write_samples(options.out, samples, score.samples, grouping, file)
        report.draw_scores(options.out, scores[0].samples, groupings[0].how.split(" (")[0])
        print(f"a row per sample and a picture -> {options.out}")
    return 0


def _by_published_wheels(samples: Samples, options: MetricOptions) -> int:
    if options.grouping not in ("auto", "wheel"):
        raise UserError(f"--wheel_root goes with --grouping wheel, not {options.grouping}")
    from toolkit.openset.wheel_report import run_published

    for line in without_effect("published wheels", replace(options, grouping="published wheels")):
        print(line)
    return run_published(samples, options.wheel_root, options.out, options.table)


def run_generate(options: MetricOptions) -> int:
    """Ask for the missing replies and save them; returns 1 when some did not come.

    Raises:
        UserError: bad input, or the chat model cannot be asked.
    """
    samples = read_samples(options.gt_csv, options.pred_csv, options.label_parser)
    print("".join(f"{line}\n" for line in report.join_lines(samples)), end="")
    groupings = make_groupings(samples, options)
    for number, grouping in enumerate(groupings, 1):
        new = sum(how.startswith("asked") for how in grouping.obtained.values())
        there = sum(how == "saved reply" for how in grouping.obtained.values())
        print(f"{new} replies asked for, {there} already there -> {options.store.of_pass(number).folder}")
        print("".join(f"  {note}\n" for note in grouping.notes), end="")
    failures = all_failures(groupings)
    if failures:
        print(f"{len(failures)} samples have no usable reply; run again and only these are asked for")
        print("".join(f"  failed: {name}: {why}\n" for name, why in failures.items()), end="")
    return 1 if failures else 0
