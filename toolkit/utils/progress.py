"""One progress bar for all long work: count, rate and time left; quiet in log files."""

from __future__ import annotations

import sys

from tqdm import tqdm


def progress_bar(total: int, label: str, unit: str = "clip", enabled: bool = True) -> tqdm:
    """A tqdm bar on stderr; in a log file (no terminal) it prints a line at most every 15 seconds."""
    interval = 0.2 if sys.stderr.isatty() else 15.0
    return tqdm(total=total, desc=label, unit=unit, mininterval=interval, disable=not enabled, dynamic_ncols=True)
