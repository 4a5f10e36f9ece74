"""The unimodal table: every feature trained on its own, ranked within its modality."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.data.features import display_name, feature_folder_name, find_feature_folder, split_feature_name
from toolkit.dataloader.topn import RANK_COLUMNS
from toolkit.train import table_text as text
from toolkit.train.table_batch import Outcome, listed, run_all
from toolkit.train.table_features import MODALITIES, choose_features, modalities_of
from toolkit.train.table_protocol import Protocol
from toolkit.train.table_search import Figures
from toolkit.utils import atomic
from toolkit.utils.read_files import write_csv


@dataclass(frozen=True)
class TableRow:
    """One feature of the table; `rank` 1 is the best of its modality, 0 is not ranked."""

    feature: str
    modality: str
    rank: int
    figures: Figures

    @property
    def name(self) -> str:
        """The name in tables and papers."""
        return display_name(self.feature)


def unimodal_table(protocol: Protocol, model: str, patterns: Sequence[str] | None, told: Mapping[str, str]) -> Outcome:
    """Train on every feature alone, write ranks and table.

    Args:
        patterns: shell patterns of folder names; None: every ``...UTT`` folder.
        told: modality of features that the toolkit cannot know.

    Raises:
        UserError: wrong flags, no features, or features of unknown modality; nothing has been trained then.
    """
    protocol.corpus()
    root = protocol.features_root
    features, left_out = choose_features(root, patterns)
    modalities = modalities_of(features, told)
    flags = [f"{name}_feature" for name in MODALITIES.values()]
    searches = {feature: protocol.search(model=model, **dict.fromkeys(flags, feature)) for feature in features}
    figures, problems = run_all(searches)
    notes = [f"not in the table: {line}" for line in listed(problems)]
    if left_out:
        notes.append(f"left out, features of a noise condition (--features '*' takes them): {', '.join(left_out)}")
    if not figures:
        return Outcome("", notes, {}, (), len(problems))
    rows = ranked_rows(figures, modalities, root)
    head = f"# Unimodal features, {protocol.dataset}\n\n{protocol.describe(searches[features[0]])}"
    written = {"table": protocol.output / f"unimodal-{protocol.dataset}"}
    protocol.output.mkdir(parents=True, exist_ok=True)
    shown = write_table(written["table"], rows, head, notes)
    written["ranks"] = protocol.output / rank_file(protocol.dataset)
    write_ranks(written["ranks"], rows)
    return Outcome(shown, notes, written, (rows[0].figures.folder,), len(problems))


def rank_file(dataset: str) -> str:
    """Name of the file of rank lists."""
    return f"ranks-{dataset}.csv"


def ranked_rows(figures: Mapping[str, Figures], modalities: Mapping[str, str], root: Path) -> list[TableRow]:
    """The rows of the table: audio, text, video, each from the best mean f1 down (equal ones by name).

    Of two folders of one feature (``x-UTT`` and ``x_UTT``) the one that top-n fusion would read is ranked.
    """
    rows = []
    for letter in MODALITIES:
        features = [feature for feature in figures if modalities[feature] == letter]
        scores = {feature: figures[feature].scores.get("f1", (-math.inf, 0.0))[0] for feature in features}
        rank = 0
        for feature in sorted(features, key=lambda name: (-scores[name], name)):
            usual = find_feature_folder(root, feature_folder_name(split_feature_name(feature)[0], "UTTERANCE")).name
            rank += usual == feature
            rows.append(TableRow(feature, letter, rank if usual == feature else 0, figures[feature]))
    return rows


def write_ranks(path: Path, rows: Sequence[TableRow]) -> None:
    """The rank lists, which ``--rank_from`` reads: modality (A, T, V), rank (1 = best), feature, name, mean f1."""
    lines = [[row.modality, row.rank, row.feature, row.name, *_f1(row)[:1]] for row in rows if row.rank]
    write_csv(path, [*RANK_COLUMNS, "name", "f1_mean"], lines)


def write_table(path: Path, rows: Sequence[TableRow], head: str, notes: Sequence[str]) -> str:
    """Write ``<path>.csv`` and ``<path>.md``; returns the table for a terminal.

    Args:
        head: what the table is about (Markdown).
        notes: lines at its end: what is not in it.
    """
    scores = text.score_names([row.figures.scores for row in rows])
    columns = ["modality", "rank", "feature", "name", "width", *text.score_columns(scores)]
    lines = [
        [
            *(row.modality, row.rank or "", row.feature, row.name, row.figures.widths[0]),
            *text.score_cells(row.figures.scores, scores),
            *(row.figures.repeats, text.exact(row.figures.best), text.json_cell(row.figures.hyper)),
        ]
        for row in rows
    ]
    write_csv(Path(f"{path}.csv"), [*columns, "repeats", "search_best_f1", "hyper"], lines)
    header = ["modality", "rank", "feature", "name", "width", *map(text.heading, scores), "best hyper-parameters"]
    cells = [
        [
            *(MODALITIES[row.modality], str(row.rank or text.NOTHING), row.feature, row.name),
            str(row.figures.widths[0]),
            *(text.mean_and_std(row.figures.scores.get(name)) for name in scores),
            text.shown_hyper(row.figures.hyper),
        ]
        for row in rows
    ]
    parts = [head, text.markdown_table(header, cells), "\n".join(f"- {note}" for note in notes)]
    atomic.write_text(f"{path}.md", "\n\n".join(part for part in parts if part) + "\n")
    return text.terminal_table(header, cells)


def _f1(row: TableRow) -> list[str]:
    return text.score_cells(row.figures.scores, ["f1"])
