"""The parts of the page that are tables: experiments, models, all runs, repeats, failures."""

from __future__ import annotations

import math
from collections.abc import Sequence

from toolkit.report.groups import Group, hyper_key, mean_std, split, total
from toolkit.report.markup import (
    Cell,
    Column,
    duration,
    esc,
    note,
    number,
    problem,
    section,
    shown_hyper,
    table,
    words,
)
from toolkit.report.runs import NAN, Run

SCORES = (
    Column("best f1", True, "f1 of the best run: mean over folds, each at its best epoch"),
    Column("\u00b1 folds", True, "standard deviation of the best run's f1 over its folds"),
    Column("mean f1", True, "mean of f1 over the runs of the search"),
    Column("std", True, "standard deviation of f1 over the runs of the search"),
    Column("acc", True, "accuracy of the best run"),
)
EXTRA = {
    "mse": Column("mse", True, "valence error of the best run"),
    "loss": Column("loss", True, "validation loss of the best run"),
}
TAIL = (Column("best hyper-parameters"), Column("time", True, "all runs together"))


def experiments(groups: Sequence[Group]) -> str:
    """Per features and model: runs, best, mean and deviation, hyper-parameters."""
    several, extra = len({group.dataset for group in groups}) > 1, _extra(groups)
    columns = [
        Column("features"),
        *([Column("dataset")] if several else []),
        Column("model"),
        *SCORES,
        *(EXTRA[name] for name in extra),
        Column("runs", True, "finished runs of the search"),
        Column("inputs", hint="how many different features"),
        *TAIL,
    ]
    rows = []
    for group in groups:
        names = group.example.feature_names
        rows.append(
            [
                words(group.label, names if names and names not in group.label else "", wide=True),
                *([words(group.dataset)] if several else []),
                words(group.model, group.example.text("feat_type")),
                *_scores(group.best, group.f1, extra),
                Cell(str(len(group.search)), len(group.search)),
                words(group.kind),
                words(shown_hyper(group.best.hyper) if group.best else "", wide=True),
                duration(group.seconds),
            ]
        )
    return section(
        "features",
        "Features and models",
        note("One row per set of features and model, best first. Click a heading to sort."),
        table("t-features", "Scores per features and model", columns, rows),
    )


def models(groups: Sequence[Group]) -> str:
    """Per corpus and model: the same figures over all of its features."""
    several, extra = len({group.dataset for group in groups}) > 1, _extra(groups)
    columns = [
        Column("model"),
        *([Column("dataset")] if several else []),
        *SCORES,
        *(EXTRA[name] for name in extra),
        Column("runs", True, "finished runs of the search"),
        Column("sets", True, "different sets of features"),
        Column("best features"),
        *TAIL,
    ]
    rows = []
    for (dataset, model), members in split(groups, lambda group: (group.dataset, group.model)).items():
        best = members[0].best  # groups are sorted best first within a corpus
        runs = sum(len(group.search) for group in members)
        rows.append(
            [
                words(model),
                *([words(dataset)] if several else []),
                *_scores(best, [value for group in members for value in group.f1], extra),
                Cell(str(runs), runs),
                Cell(str(len(members)), len(members)),
                words(members[0].label if best else "", wide=True),
                words(shown_hyper(best.hyper) if best else "", wide=True),
                duration(total(group.seconds for group in members)),
            ]
        )
    return section("models", "Models", table("t-models", "Scores per model", columns, rows))


def all_runs(groups: Sequence[Group]) -> str:
    """Every finished run; folded away, because there may be thousands."""
    extra = _extra(groups)
    columns = [
        Column("features"),
        Column("model"),
        Column("f1", True),
        Column("\u00b1 folds", True),
        Column("acc", True),
        *(Column(name, True) for name in extra),
        Column("hyper-parameters"),
        Column("seed", True),
        Column("phase"),
        Column("time", True),
        Column("finished"),
    ]
    pairs = [(group, run) for group in groups for run in group.finished]
    several = len({group.dataset for group in groups}) > 1
    rows = [
        [
            words(f"{group.label}, {group.dataset}" if several else group.label),
            words(group.model),
            number(run.f1),
            number(mean_std(run.fold_f1)[1]),
            number(run.number("acc")),
            *(number(run.number(name)) for name in extra),
            words(shown_hyper(run.hyper)),
            Cell(esc(run.text("seed")), run.number("seed")),
            words(run.text("phase")),
            duration(run.number("seconds")),
            words(run.text("finished").replace("T", " ")),
        ]
        for group, run in pairs
    ]
    inner = table("t-runs", "All finished runs", columns, rows)
    return section("runs", "All runs", f"<details><summary>{len(rows)} finished runs</summary>{inner}</details>")


def repeats(groups: Sequence[Group]) -> str:
    """The best hyper-parameters trained again with new seeds."""
    columns = [
        Column("features"),
        Column("dataset"),
        Column("model"),
        Column("hyper-parameters"),
        Column("repeats", True),
        Column("mean f1", True),
        Column("std", True),
        Column("mean acc", True),
        Column("f1 in the search", True, "the best run of the search with these hyper-parameters"),
    ]
    rows = []
    for group in groups:
        for key, runs in split(group.repeats, lambda run: hyper_key(run.hyper)).items():
            searched = [run.f1 for run in group.search if not run.repeat and hyper_key(run.hyper) == key]
            mean, std = mean_std([run.f1 for run in runs])
            rows.append(
                [
                    words(group.label, wide=True),
                    words(group.dataset),
                    words(group.model),
                    words(shown_hyper(runs[0].hyper), wide=True),
                    Cell(str(len(runs)), len(runs)),
                    number(mean),
                    number(std),
                    number(mean_std([run.number("acc") for run in runs])[0]),
                    number(max(filter(math.isfinite, searched), default=NAN)),
                ]
            )
    if not rows:
        return section(
            "repeats",
            "Repeated runs of the best",
            problem(
                "None: no run of the phase \u201crepeat\u201d. Train with --repeat_best 6 for the paper's protocol."
            ),
        )
    text = (
        "The best hyper-parameters trained again with new seeds. Their mean was not chosen by its own height, so it is "
        "the fairer figure to compare and to publish."
    )
    return section(
        "repeats", "Repeated runs of the best", note(text), table("t-repeats", "Repeated runs", columns, rows)
    )


def failures(groups: Sequence[Group]) -> str:
    """Runs without a score, with the reason."""
    failed = [(group, run) for group in groups for run in group.failed]
    if not failed:
        return section("failed", "Failed runs", note("None."))
    columns = [Column("features"), Column("dataset"), Column("model"), Column("reason")]
    columns += [Column("hyper-parameters"), Column("seed", True), Column("finished")]
    rows = [
        [
            words(group.label, wide=True),
            words(group.dataset),
            words(group.model),
            words(run.text("note") or "no reason recorded", wide=True),
            words(shown_hyper(run.hyper), wide=True),
            Cell(esc(run.text("seed")), run.number("seed")),
            words(run.text("finished").replace("T", " ")),
        ]
        for group, run in failed
    ]
    return section("failed", "Failed runs", table("t-failed", "Failed runs", columns, rows))


def _scores(best: Run | None, f1: Sequence[float], extra: Sequence[str]) -> list[Cell]:
    mean, std = mean_std(f1)
    figures = [best.f1, mean_std(best.fold_f1)[1], mean, std, best.number("acc")] if best else [NAN] * 5
    return [number(value) for value in figures] + [number(best.number(name) if best else NAN) for name in extra]


def _extra(groups: Sequence[Group]) -> list[str]:
    """Which columns of EXTRA these runs need: mse where there is one, the loss where runs are chosen by it."""
    runs = [run for group in groups for run in group.search]
    mse = any(math.isfinite(run.number("mse")) for run in runs)
    return ["mse"] * mse + ["loss"] * any(run.metric == "loss" for run in runs)
