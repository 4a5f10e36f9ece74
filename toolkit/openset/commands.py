"""The functions that main-ov.py offers: flags turned into options, one call each (imports wait until then)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.utils.chatgpt import DEFAULT_MODEL, ChatSettings
from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    from toolkit.openset.grouping import ChatOptions


def main_metric(
    gt_csv: str,
    pred_csv: str,
    synonym_root: str | None = None,
    grouping: str = "auto",
    wheel_root: str | None = None,
    lexicon: str | None = None,
    label_parser: str = "quotes",
    model: str = DEFAULT_MODEL,
    base_url: str = "",
    repeat: int = 1,
    concurrency: int = 8,
    timeout: float = 60.0,
    price: str = "",
    allow_missing: bool = False,
    table: bool = False,
    out: str | None = None,
) -> int:
    """Score PRED_CSV against GT_CSV (columns name, openset).

    Args:
        gt_csv: true labels.
        pred_csv: predicted labels.
        synonym_root: saved replies, a folder or a zip; default openset-synonym (or its .zip) beside GT_CSV.
        grouping: auto (saved replies if complete, else the chat model if it can be asked, else the embedded lexicon),
            chatgpt, wheel (embedded lexicon, or the published files of WHEEL_ROOT), exact.
        wheel_root: folder of the published emotion wheels (format.csv, synonym.xlsx, wheel1..5.xlsx).
        lexicon: a csv of your own words for the embedded lexicon.
        label_parser: quotes (the baseline's reading, cuts at every apostrophe) or literal.
        model: chat model to ask.
        base_url: an OpenAI-compatible server; default OPENAI_BASE_URL or OpenAI. Keys: OPENAI_API_KEY (commas allowed).
        repeat: passes with replies of their own, averaged; pass K is kept in SYNONYM_ROOT.passK.
        concurrency: requests at a time.
        timeout: seconds for the first byte of a reply, and again for all of it; then it is asked for again.
        price: dollars per million prompt and completion tokens, such as 0.4,1.6; adds a cost to the token count.
        allow_missing: score without the samples that have no usable reply.
        table: print 95% intervals, too.
        out: folder for samples.csv and scores.png.
    """
    from toolkit.openset.metric import run_metric
    from toolkit.openset.options import MetricOptions

    options = MetricOptions(
        gt_csv=_path(gt_csv),
        pred_csv=_path(pred_csv),
        grouping=str(grouping),
        synonym_root=_maybe(synonym_root),
        wheel_root=_maybe(wheel_root),
        lexicon=_maybe(lexicon),
        label_parser=str(label_parser),
        repeat=_whole("repeat", repeat),
        allow_missing=bool(allow_missing),
        out=_maybe(out),
        table=bool(table),
        chat=_chat(model, base_url, concurrency, timeout, price),
    )
    return run_metric(options)


def generate_openset_synonym_mer2024(
    gt_csv: str,
    pred_csv: str,
    save_root: str | None = None,
    label_parser: str = "quotes",
    model: str = DEFAULT_MODEL,
    base_url: str = "",
    repeat: int = 1,
    concurrency: int = 8,
    timeout: float = 60.0,
    price: str = "",
) -> int:
    """Ask a chat model for the groupings that SAVE_ROOT (default openset-synonym beside GT_CSV) does not hold yet."""
    from toolkit.openset.metric import run_generate
    from toolkit.openset.options import MetricOptions

    options = MetricOptions(
        gt_csv=_path(gt_csv),
        pred_csv=_path(pred_csv),
        grouping="chatgpt",
        synonym_root=_maybe(save_root),
        label_parser=str(label_parser),
        repeat=_whole("repeat", repeat),
        chat=_chat(model, base_url, concurrency, timeout, price),
    )
    return run_generate(options)


def calculate_openset_overlap_rate_mer2024(
    gt_csv: str,
    pred_csv: str,
    synonym_root: str | None = None,
    label_parser: str = "quotes",
    repeat: int = 1,
    allow_missing: bool = False,
    table: bool = False,
    out: str | None = None,
) -> int:
    """Score from the saved replies of SYNONYM_ROOT (folder or zip) alone; nothing is ever asked."""
    from toolkit.openset.metric import run_metric
    from toolkit.openset.options import MetricOptions

    options = MetricOptions(
        gt_csv=_path(gt_csv),
        pred_csv=_path(pred_csv),
        grouping="chatgpt",
        synonym_root=_maybe(synonym_root),
        label_parser=str(label_parser),
        repeat=_whole("repeat", repeat),
        allow_missing=bool(allow_missing),
        out=_maybe(out),
        table=bool(table),
    )
    return run_metric(options)


def check(csv: str, gt_csv: str | None = None, label_parser: str = "quotes") -> int:
    """Check a csv of labels: columns, names, empty cells, rows that cannot be read, duplicates, with line numbers."""
    from toolkit.openset.check import run_check

    return run_check(_path(csv), _maybe(gt_csv), str(label_parser))


def compare(
    gt_csv: str,
    pred_csvs: str,
    synonym_roots: str = "",
    grouping: str = "auto",
    lexicon: str | None = None,
    label_parser: str = "quotes",
    model: str = DEFAULT_MODEL,
    base_url: str = "",
    concurrency: int = 8,
    allow_missing: bool = False,
    resamples: int = 10000,
    seed: int = 0,
    out: str | None = None,
) -> int:
    """Score several predictions (A.csv,B.csv,...): a table with paired bootstrap intervals against the first.

    SYNONYM_ROOTS: one place of saved replies per prediction, with commas; default openset-synonym-<file's stem> beside
    GT_CSV. All predictions are scored with the same kind of grouping.
    """
    from toolkit.openset.compare import run_compare
    from toolkit.openset.options import MetricOptions

    truth, files = _path(gt_csv), [Path(name) for name in _words(pred_csvs)]
    roots = [Path(name) for name in _words(synonym_roots)]
    if roots and len(roots) != len(files):
        raise UserError(f"--synonym_roots names {len(roots)} places for {len(files)} predictions")
    defaults = [truth.parent / f"openset-synonym-{path.stem}" for path in files]
    chat = _chat(model, base_url, concurrency)
    systems = [
        MetricOptions(
            gt_csv=truth,
            pred_csv=path,
            grouping=str(grouping),
            synonym_root=root,
            default_store=default,
            lexicon=_maybe(lexicon),
            label_parser=str(label_parser),
            allow_missing=bool(allow_missing),
            chat=chat,
        )
        for path, root, default in zip(files, roots or [None] * len(files), defaults, strict=True)
    ]
    return run_compare(systems, _whole("resamples", resamples), _whole("seed", seed), _maybe(out))


FUNCTIONS = (main_metric, generate_openset_synonym_mer2024, calculate_openset_overlap_rate_mer2024, check, compare)

# ---------------------------------------------------------------- flags to values (fire turns 2024 into a number)


def _path(value: object) -> Path:
    return Path(str(value)).expanduser()


def _maybe(value: object) -> Path | None:
    return None if value in (None, "") else _path(value)


def _words(value: object) -> list[str]:
    parts = value if isinstance(value, (list, tuple)) else str(value).split(",")
    return [str(part).strip() for part in parts if str(part).strip()]


def _whole(flag: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise UserError(f"--{flag} {value!r} is not a whole number")
    return value


def _chat(model: str, base_url: str, concurrency: int = 8, timeout: float = 60.0, price: object = "") -> ChatOptions:
    from toolkit.openset.grouping import ChatOptions

    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout < math.inf:
        raise UserError(f"--timeout {timeout!r} is not a number of seconds above 0")
    try:
        prices = tuple(float(part) for part in _words(price))
    except ValueError:
        prices = (0.0,)
    if len(prices) not in (0, 2):
        raise UserError(f"--price {price!r} is not two numbers such as 0.4,1.6")
    settings = ChatSettings(str(model), str(base_url), timeout=float(timeout))  # keys: when they are needed
    return ChatOptions(settings, _whole("concurrency", concurrency), prices or None)
