"""The page as a whole."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from toolkit.report import details, figures, tables
from toolkit.report.assets import SCRIPT, STYLE
from toolkit.report.groups import group_runs
from toolkit.report.header import header
from toolkit.report.markup import esc
from toolkit.report.runs import Run

LINKS = (
    ("features", "Features"),
    ("models", "Models"),
    ("comparison", "Comparison"),
    ("repeats", "Repeats"),
    ("hyper", "Hyper-parameters"),
    ("curves", "Curves"),
    ("confusion", "Confusion"),
    ("weights", "Weights"),
    ("failed", "Failed"),
    ("runs", "All runs"),
)


def build_page(runs: Sequence[Run], title: str) -> str:
    """The report of `runs` as one HTML text that refers to nothing outside itself; equal for equal input."""
    groups = group_runs(runs)
    body = "".join(
        (
            header(runs, title),
            "<nav>",
            *(f'<a href="#{name}">{text}</a> ' for name, text in LINKS),
            "</nav>\n",
            tables.experiments(groups),
            tables.models(groups),
            figures.comparison(groups),
            tables.repeats(groups),
            figures.hyper_parameters(groups),
            details.learning_curves(groups),
            details.confusions(groups),
            details.modality_weights(groups),
            tables.failures(groups),
            tables.all_runs(groups),
        )
    )
    # Even if a name slipped through unescaped, the browser would run no script but this one and load nothing.
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{esc(title)}</title><style>{STYLE}</style></head>\n'
        f"<body><main>\n{body}</main><script>{SCRIPT}</script></body></html>\n"
    )
