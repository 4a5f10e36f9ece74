"""Scoring by the published emotion wheels, printed."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from toolkit.openset import report
from toolkit.openset.grouping import Grouping, names_of
from toolkit.openset.samples import Samples
from toolkit.openset.scoring import SampleScore
from toolkit.openset.wheel import LEVELS, WHEELS, PublishedWheels, WheelScore, load_wheels, mean_of_wheels, score_wheel
from toolkit.utils.errors import UserError


def run_published(samples: Samples, wheel_root: Path, out: Path | None, table: bool = False) -> int:
    """Print the figures of both levels (level 1 in the baseline's lines) and the coverage; returns 0.

    Raises:
        UserError: a file is missing or damaged, or no true label is known.
    """
    wheels = load_wheels(wheel_root)
    levels = {level: [score_wheel(samples, wheels, wheel, level) for wheel in WHEELS] for level in LEVELS}
    per_sample = _over_wheels(levels[1])
    if not per_sample:
        raise UserError(f"{wheel_root}: the wheels know none of the true labels (they are English)")
    print(f"GROUPING: published emotion wheels ({wheel_root}), mean of {len(WHEELS)} wheels")
    for line in (*report.join_lines(samples), *_coverage(samples, wheels)):
        print(f"  {line}")
    print(f"  {'':<7} {'level 1: precision recall F':<30} level 2: precision recall F")
    for row, name in enumerate(WHEELS):
        print(f"  {name:<7} {_figures(levels[1][row]):<30} {_figures(levels[2][row])}")
    first, second = (mean_of_wheels(levels[level]) for level in LEVELS)
    print(f"level1: precision {first.precision}; recall {first.recall}; F {first.f}")
    print(f"level2: precision {second.precision}; recall {second.recall}; F {second.f}")
    average = (first.precision + first.recall) / 2
    print("\n".join(report.score_lines(first.precision, first.recall, average, len(per_sample))))
    if table:
        print("each sample by its mean over the wheels that keep it (the lines above average whole wheels):")
        print("\n".join(report.table_lines(per_sample)))
    if out is not None:
        grouping = _as_grouping(samples, wheels, levels[1])
        report.write_samples(out, samples, per_sample, grouping)
        report.draw_scores(out, per_sample, "published emotion wheels, level 1")
        print(f"a row per sample and a picture -> {out}")
    return 0


def _figures(score: WheelScore) -> str:
    return f"{score.precision:.4f} {score.recall:.4f} {score.f:.4f} (N {len(score.samples)})"


def _coverage(samples: Samples, wheels: PublishedWheels) -> list[str]:
    labels = [label for name in samples.gt for label in (*samples.gt[name], *samples.pred[name])]
    unknown = [label for label in labels if not wheels.knows(label)]
    known = len(labels) - len(unknown)
    lines = [f"coverage: {known} of {len(labels)} labels are known ({known / len(labels):.1%}), the others are dropped"]
    if unknown:
        lines.append(f"dropped: {names_of(sorted(set(unknown)))}")
    return lines


def _over_wheels(scores: list[WheelScore]) -> list[SampleScore]:
    """Per sample the mean over the wheels that keep one of its true labels."""
    found: dict[str, list[SampleScore]] = defaultdict(list)
    for score in scores:
        for sample in score.samples:
            found[sample.name].append(sample)
    return [
        SampleScore(
            name,
            tuple(dict.fromkeys(hit for sample in several for hit in sample.hits)),
            float(np.mean([sample.accuracy for sample in several])),
            float(np.mean([sample.recall for sample in several])),
        )
        for name, several in sorted(found.items())
    ]


def _as_grouping(samples: Samples, wheels: PublishedWheels, scores: list[WheelScore]) -> Grouping:
    """For the csv: the groups of the first wheel, and how many wheels score the sample."""
    counts = dict.fromkeys(samples.gt, 0)
    for score in scores:
        for sample in score.samples:
            counts[sample.name] += 1
    groups = {}
    for name in samples.gt:
        clusters: dict[str, list[str]] = defaultdict(list)
        for label in samples.asked(name):
            cluster = wheels.cluster(label, WHEELS[0], 1)
            clusters[cluster or json.dumps(label)].append(label)
        groups[name] = list(clusters.values())
    obtained = {
        name: f"scored by {count} of {len(WHEELS)} wheels; groups of {WHEELS[0]}" for name, count in counts.items()
    }
    return Grouping("published wheels", groups, obtained)
