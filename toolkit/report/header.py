"""The head of the page: what was searched, and what the scores are and are not."""

from __future__ import annotations

import math
from collections.abc import Sequence

from toolkit.report.groups import total
from toolkit.report.markup import esc, shown_duration
from toolkit.report.runs import Run

MOST_LISTED = 12


def header(runs: Sequence[Run], title: str) -> str:
    """Title, facts and the note on honesty."""
    facts = "".join(f"<div><dt>{esc(name)}</dt><dd>{esc(text)}</dd></div>" for name, text in _facts(runs) if text)
    return f"<header><h1>{esc(title)}</h1><dl>{facts}</dl>{_honesty(runs)}</header>\n"


def _facts(runs: Sequence[Run]) -> list[tuple[str, str]]:
    done = [run for run in runs if run.ok]
    repeats = sum(run.repeat for run in done)
    features = {feature for run in runs for feature in run.features}
    sets = {tuple(run.inputs) for run in runs}
    counts = [f"{len(done) - repeats} of the search", f"{repeats} repeats", f"{len(runs) - len(done)} failed"]
    dates = sorted(run.text("finished").replace("T", " ") for run in runs if run.text("finished"))
    return [
        ("datasets", _listed(sorted({run.dataset for run in runs}))),
        ("models", _listed(sorted({run.text("model") for run in runs}))),
        ("features", f"{len(features)} in {len(sets)} combinations" if features else ""),
        ("runs", f"{len(runs)}: {', '.join(counts)}"),
        ("finished", f"{dates[0][:16]} to {dates[-1][:16]}" if dates else ""),
        ("computing", shown_duration(total(run.number("seconds") for run in runs))),
        ("seeds", _seeds(runs)),
        ("devices", _listed(sorted({run.text("device") for run in runs} - {""}))),
        ("versions", _versions(runs)),
        ("folders", _listed(list(dict.fromkeys(str(run.folder) for run in runs)))),
    ]


def _honesty(runs: Sequence[Run]) -> str:
    sentences = [
        "Scores are means over validation folds, and each fold's best epoch was chosen on that same fold; the best of "
        "N runs was chosen by the same figure. Both make them optimistic, the more so the more runs there are. The "
        "mean over runs and the repeated runs are the fairer figures."
    ]
    if any(run.metric == "emoval" for run in runs):
        sentences.append("Where valence is scored too, the best run is the one with the highest f1 \u2212 0.25 mse.")
    if any(run.metric == "loss" for run in runs):
        sentences.append("Where nothing is labelled, the best run is the one with the lowest loss.")
    corpora = {run.corpus.name: run.corpus for run in runs if run.corpus is not None}
    for dataset, corpus in sorted(corpora.items()):
        if corpus.hidden:
            tests = ", ".join(sorted(corpus.hidden))
            sentences.append(f"The labels of {dataset}'s {tests} are hidden: no test score exists, and none is shown.")
    if any(corpus.outputs == (0, 1) for corpus in corpora.values()):
        sentences.append(
            "On corpora with valence only, f1 and acc are of (valence > 0), samples of valence 0 left out."
        )
    sentences.append("Deviations (\u00b1, std) are population ones (divided by n), not given for a single value.")
    return f"<aside><b>How to read the scores.</b> {' '.join(map(esc, sentences))}</aside>"


def _seeds(runs: Sequence[Run]) -> str:
    seeds = sorted({int(value) for value in (run.number("seed") for run in runs) if math.isfinite(value)})
    if len(seeds) <= 6:
        return ", ".join(map(str, seeds))
    return f"{len(seeds)} different, {seeds[0]} to {seeds[-1]}"


def _versions(runs: Sequence[Run]) -> str:
    seen: dict[str, set[str]] = {}
    for run in runs:
        for name, version in run.versions.items():
            seen.setdefault(name, set()).add(str(version))
    return ", ".join(f"{name} {' and '.join(sorted(versions))}" for name, versions in sorted(seen.items()))


def _listed(items: Sequence[str]) -> str:
    more = len(items) - MOST_LISTED
    return ", ".join(items[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
