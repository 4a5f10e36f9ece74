"""Run folders as the training writes them, with numbers the tests choose; and the page read back."""

import csv
import json
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

from toolkit.train.leaderboard import COLUMNS

EXTRA = ("status", "phase", "note", "features", "loss", "folder")


def make_row(number, f1, features=("a-UTT", "a-UTT", "a-UTT"), /, **more):
    """A leaderboard row as a dict of text; JSON where the column is JSON."""
    audio, text, video = features
    row = {
        "finished": f"2026-01-0{number % 9 + 1}T10:00:0{number % 10}",
        "run_id": f"{number:04d}" + "".join(features),
        "dataset": "MER2024",
        "model": "attention",
        "feat_type": "utt",
        "audio": audio,
        "text": text,
        "video": video,
        "trial": number,
        "seed": 100 + number,
        "f1": f"{f1:.6f}",
        "acc": f"{f1 + 0.02:.6f}",
        "fold_f1": [f1 - 0.03, f1 + 0.03],
        "hyper": {"lr": 0.001, "hidden_dim": 64},
        "seconds": "10.0",
        "versions": {"torch": "9.9"},
        "args": {"epochs": 3},
        "files": {},
        "status": "ok",
        "phase": "search",
    }
    return {key: json.dumps(value) if isinstance(value, (dict, list)) else value for key, value in (row | more).items()}


def write_board(folder, rows):
    """`rows` as ``<folder>/leaderboard.csv``."""
    (folder / "result").mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys((*COLUMNS, *EXTRA)))
    with open(folder / "leaderboard.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return folder


def write_cv(folder, name="cv.npz", **arrays):
    """A cv file with a pickled `args` entry, like the real ones; returns the cell for `files`."""
    trap = np.array({"never": "opened"}, dtype=object)
    np.savez_compressed(folder / "result" / name, args=trap, **arrays)
    return {"cv": f"result/{name}"}


class Page(HTMLParser):
    """Tables as lists of rows of cell texts, tags with attributes, and the texts of chosen tags."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.tags, self.text, self.sort_values = {}, [], "", {}
        self._place, self._cell = [""], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        if tag in ("section", "div") and "id" in attrs:
            self._place.append(attrs["id"])
        if tag == "tr":
            self.tables.setdefault(self._place[-1], []).append([])
            self.sort_values.setdefault(self._place[-1], []).append([])
        if tag in ("td", "th"):
            self._cell = ""
            self.sort_values[self._place[-1]][-1].append(attrs.get("data-v"))

    def handle_data(self, data):
        self.text += data
        if self._cell is not None:
            self._cell += data

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.tables[self._place[-1]][-1].append(self._cell)
            self._cell = None

    def records(self, place):
        """Rows of a table as dicts by heading."""
        head, *rows = self.tables[place]
        return [dict(zip(head, row, strict=True)) for row in rows]


@pytest.fixture
def boards():
    """The helpers of this file: ``boards.row``, ``boards.write``, ``boards.cv``, ``boards.Page``."""
    return SimpleNamespace(row=make_row, write=write_board, cv=write_cv, Page=Page)


@pytest.fixture
def report(tmp_path):
    """``report(folder, ...)``: the page of the command, read back; its text is ``.source``."""
    from toolkit.report.__main__ import main

    def run(*folders, title="T"):
        output = tmp_path / "out" / "report.html"
        assert main([*map(str, folders), "--output", str(output), "--title", title]) == 0
        source = output.read_text(encoding="utf-8")
        page = Page(source)
        page.source = source
        return page

    return run
