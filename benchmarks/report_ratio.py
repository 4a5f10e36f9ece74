"""A figure that is read out of what a benchmark prints, with its target; a benchmark with its figures."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """One figure with its target.

    Attributes:
        what: the line of the table.
        pattern: finds the figure (its group 1) in the output; of several matches the last counts.
        target: to reach; None: no target was set, the figure is for information.
        most: the target is an upper bound.
        figure: match -> figure, where it is not simply group 1.
    """

    what: str
    pattern: str
    target: float | None = None
    most: bool = False
    unit: str = "times"
    figure: Callable[[re.Match[str]], float] = lambda match: float(match[1])

    def read(self, output: str) -> float | None:
        """The figure, or None when the output has none."""
        found = list(re.finditer(self.pattern, output, re.DOTALL))
        return self.figure(found[-1]) if found else None

    def reached(self, value: float) -> bool | None:
        """Whether the target is met, None without one."""
        if self.target is None:
            return None
        return value <= self.target if self.most else value >= self.target


@dataclass(frozen=True)
class Benchmark:
    """One child process: `script` in this folder with `flags`, and with `short` or `gpu` flags in those modes.

    `gpu` is None for a benchmark that has no GPU mode.
    """

    name: str
    script: str
    ratios: tuple[Ratio, ...]
    flags: tuple[str, ...] = ()
    short: tuple[str, ...] = ("--short",)
    gpu: tuple[str, ...] | None = None
    gpu_ratios: tuple[Ratio, ...] = ()

    def arguments(self, mode: str) -> list[str]:
        """Flags in mode "short", "full" or "gpu"."""
        extra = {"short": self.short, "full": (), "gpu": self.gpu or ()}[mode]
        return [*self.flags, *extra]
