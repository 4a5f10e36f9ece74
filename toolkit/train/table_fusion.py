"""The fusion table: attention_topn over the n best features of each modality, for every n and set of modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from toolkit.data.features import display_name
from toolkit.dataloader.topn import lacking
from toolkit.train import leaderboard
from toolkit.train import table_text as text
from toolkit.train.inputs import feature_ranks
from toolkit.train.results import run_folder
from toolkit.train.table_batch import Outcome, listed, run_all
from toolkit.train.table_protocol import Protocol
from toolkit.train.table_search import Figures
from toolkit.train.table_unimodal import rank_file
from toolkit.utils import atomic
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import write_csv

PAPER = "paper"
Combination = tuple[int, str]  # n, modalities


def fusion_table(protocol: Protocol, topn: Sequence[int], modalities: Sequence[str], rank_from: str | None) -> Outcome:
    """Train every combination for which there are enough features, write the table.

    Args:
        rank_from: "paper", a csv of ranks, or a folder with a leaderboard; None: what the unimodal table wrote.

    Raises:
        UserError: wrong flags, no ranks, or no combination has its features; nothing has been trained then.
    """
    protocol.corpus()
    source = ranks_place(protocol, rank_from)
    searches, left_out = {}, {}
    for n in topn:
        for letters in modalities:
            args = protocol.search(model="attention_topn", fusion_topn=n, fusion_modality=letters, rank_from=source)
            reason = lacking(n, letters, protocol.features_root, feature_ranks(args))
            (left_out if reason else searches)[n, letters] = reason or args
    if not searches:
        raise UserError("no combination has its features:\n  " + "\n  ".join(listed(_named(left_out))))
    print("".join(f"left out: {line}\n" for line in listed(_named(left_out))), end="")
    found, problems = run_all(_named(searches))
    figures = {key: found[label(key)] for key in searches if label(key) in found}
    notes = [f"not in the table: {line}" for line in listed(problems)]
    notes += [f"left out: {line}" for line in listed(_named(left_out))]
    if not figures:
        return Outcome("", notes, {}, (), len(problems))
    origin = "the paper" if source is None else Path(source).name
    args = next(iter(searches.values()))
    head = f"# Top-n fusion, {protocol.dataset}\n\n{protocol.describe(args)} Ranks: {origin}."
    written = {"table": protocol.output / f"fusion-{protocol.dataset}"}
    protocol.output.mkdir(parents=True, exist_ok=True)
    shown = write_table(written["table"], figures, head, notes)
    folders = [run_folder(protocol.save_root, ("one",), cross=False, noise=False, topn=False)]
    folders = [folder for folder in folders if (folder / leaderboard.FILE_NAME).is_file()]
    return Outcome(shown, notes, written, (next(iter(figures.values())).folder, *folders), len(problems))


def ranks_place(protocol: Protocol, rank_from: str | None) -> str | None:
    """The value of ``--rank_from`` for the searches; None: the paper's ranks.

    Raises:
        UserError: there are no ranks.
    """
    if rank_from == PAPER:
        return None
    path = Path(rank_from) if rank_from else protocol.output / rank_file(protocol.dataset)
    if path.exists():
        return str(path)
    if rank_from:
        raise UserError(f"--rank_from {rank_from}: no such file or folder; give one of these, or {PAPER}")
    raise UserError(f"{path}: no ranks; run the unimodal table first, or give --rank_from {PAPER}, a csv or a folder")


def label(combination: Combination) -> str:
    """``top-3 AVT``."""
    return f"top-{combination[0]} {combination[1]}"


def write_table(path: Path, figures: Mapping[Combination, Figures], head: str, notes: Sequence[str]) -> str:
    """Write ``<path>.csv`` (a row per combination) and ``<path>.md`` (a table per score); returns it for a terminal."""
    scores = text.score_names([row.scores for row in figures.values()])
    columns = ["topn", "modality", "inputs", "width", *text.score_columns(scores)]
    lines = [
        [
            *(n, letters, len(row.features), sum(row.widths)),
            *text.score_cells(row.scores, scores),
            *(row.repeats, text.exact(row.best), text.json_cell(row.hyper), text.json_cell(row.features)),
        ]
        for (n, letters), row in figures.items()
    ]
    write_csv(Path(f"{path}.csv"), [*columns, "repeats", "search_best_f1", "hyper", "features"], lines)
    grids = {text.heading(score): _grid(figures, score) for score in scores}
    parts = [head, *(f"## {name}\n\n{text.markdown_table(*grid)}" for name, grid in grids.items())]
    parts.append("## Features\n\n" + "\n".join(f"- {line}" for line in _inputs(figures)))
    if notes:
        parts.append("## Not in the table\n\n" + "\n".join(f"- {note}" for note in notes))
    atomic.write_text(f"{path}.md", "\n\n".join(parts) + "\n")
    return "\n\n".join(f"{name}\n{text.terminal_table(*grid)}" for name, grid in grids.items())


def _grid(figures: Mapping[Combination, Figures], score: str) -> tuple[list[str], list[list[str]]]:
    """Rows top-n, columns modalities."""
    modalities = list(dict.fromkeys(letters for _, letters in figures))
    counts = list(dict.fromkeys(n for n, _ in figures))
    rows = []
    for n in counts:
        cells = [figures[n, letters].scores.get(score) if (n, letters) in figures else None for letters in modalities]
        rows.append([f"top-{n}", *map(text.mean_and_std, cells)])
    return ["features", *modalities], rows


def _inputs(figures: Mapping[Combination, Figures]) -> list[str]:
    """What entered each combination, under the names of tables and papers."""
    return [
        f"{label(key)}: {', '.join(dict.fromkeys(map(display_name, row.features)))}; {text.shown_hyper(row.hyper)}"
        for key, row in figures.items()
    ]


def _named(table: Mapping[Combination, object]) -> dict:
    return {label(key): value for key, value in table.items()}
