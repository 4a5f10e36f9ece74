"""`main_metric`: read, group, score, print."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolkit.openset import report
from toolkit.openset.grouping import (
    ChatOptions,
    Grouping,
    group_by_chat,
    group_by_lexicon,
    group_exactly,
    resolve,
    saved_replies,
)
from toolkit.openset.replies import ReplyStore, default_root
from toolkit.openset.samples import Samples, read_samples
from toolkit.openset.scoring import Score, mean_score, merge_map, score_sample
from toolkit.utils.errors import UserError

MAX_LISTED = 20


@dataclass(frozen=True)
class MetricOptions:
    """What is scored, and how; `chat` None forbids asking."""

    gt_csv: Path
    pred_csv: Path
    grouping: str = "auto"
    synonym_root: Path | None = None
    wheel_root: Path | None = None
    lexicon: Path | None = None
    label_parser: str = "quotes"
    repeat: int = 1
    allow_missing: bool = False
    out: Path | None = None
    table: bool = False
    chat: ChatOptions | None = None

    @property
    def store(self) -> ReplyStore:
        return ReplyStore.at(self.synonym_root or default_root(self.gt_csv))


def score_groups(samples: Samples, grouping: Grouping) -> Score:
    """The score of the samples that have groups.

    Raises:
        UserError: none has.
    """
    if not grouping.groups:
        raise UserError("no sample could be grouped, there is nothing to score")
    return mean_score(
        score_sample(name, samples.gt[name], samples.pred[name], merge_map(groups))
        for name, groups in grouping.groups.items()
    )


def make_groupings(samples: Samples, options: MetricOptions) -> list[Grouping]:
    """One grouping per pass (only chat replies have several).

    Raises:
        UserError: an option is wrong, or the chat model cannot be asked.
    """
    if options.repeat < 1:
        raise UserError(f"--repeat {options.repeat} must be at least 1")
    chat = options.chat
    kind, passes = options.grouping, []
    if kind not in ("wheel", "exact"):
        stores = [options.store.of_pass(number) for number in range(1, options.repeat + 1)]
        passes = [(store, saved_replies(samples, store, options.label_parser)) for store in stores]
        complete = not any(saved.todo for _, saved in passes)
        kind = resolve(kind, complete, bool(chat and chat.settings.can_ask))
    if kind == "exact":
        return [group_exactly(samples)]
    if kind == "wheel":
        some = sum(len(saved.texts) for _, saved in passes)
        if some:
            print(f"{some} saved replies in {options.store} are not used: they are not complete, and no key is set")
        return [group_by_lexicon(samples, options.lexicon)]
    groupings = []
    for number, (store, saved) in enumerate(passes, 1):
        grouping, asked = group_by_chat(samples, store, saved, chat, options.label_parser)
        groupings.append(grouping)
        if asked.requests:
            prices = chat.prices if chat else None
            print(
                f"pass {number}: {len(asked.texts)} replies, {asked.requests} requests, {asked.cost(prices)} -> {store}"
            )
        if grouping.failures and not options.allow_missing:
            break  # further passes would only cost money
    return groupings


def print_failures(groupings: list[Grouping], allow_missing: bool) -> bool:
    """List what has no usable reply; True when that forbids a score."""
    failures = {name: why for grouping in groupings for name, why in grouping.failures.items()}
    if not failures:
        return False
    print(f"{len(failures)} samples have no usable reply:")
    for name, why in sorted(failures.items())[:MAX_LISTED]:
        print(f"  failed: {name}: {why}")
    if len(failures) > MAX_LISTED:
        print(f"  ... and {len(failures) - MAX_LISTED} more: {', '.join(sorted(failures)[MAX_LISTED:])}")
    if allow_missing:
        print("they are left out of the score (--allow_missing)")
    else:
        print("no score: run again (only these are asked for), or score the others with --allow_missing")
    return not allow_missing


def run_metric(options: MetricOptions) -> int:
    """Score and print; returns the exit status (1: replies are missing).

    Raises:
        UserError: bad input.
    """
    samples = read_samples(options.gt_csv, options.pred_csv, options.label_parser)
    if options.wheel_root is not None:
        if options.grouping not in ("auto", "wheel"):
            raise UserError(f"--wheel_root goes with --grouping wheel, not {options.grouping}")
        from toolkit.openset.wheel_report import run_published

        return run_published(samples, options.wheel_root, options.out)
    groupings = make_groupings(samples, options)
    print(f"GROUPING: {groupings[0].how}")
    lines = report.join_lines(samples) + [note for grouping in groupings for note in grouping.notes]
    print("".join(f"  {line}\n" for line in dict.fromkeys(lines)), end="")
    if print_failures(groupings, options.allow_missing):
        return 1
    scores = [score_groups(samples, grouping) for grouping in groupings]
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
    failures = {name: why for grouping in groupings for name, why in grouping.failures.items()}
    if failures:
        print(f"{len(failures)} samples have no usable reply; run again and only these are asked for")
        print("".join(f"  failed: {name}: {why}\n" for name, why in sorted(failures.items())), end="")
    return 1 if failures else 0
