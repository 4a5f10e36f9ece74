"""The report as text."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.check.findings import ERROR, RULES, WARNING, Finding, Part, shown
from toolkit.check.run import Report

_LABEL_WIDTH = 14


def report_lines(report: Report) -> Iterator[str]:
    """The report, line by line; the verdict is the last one."""
    yield f"{report.dataset}: {shown(report.root)}"
    yield f"{clips_line(report)}{'; --quick: containers and headers only' if report.quick else ''}"
    for part in report.parts:
        yield ""
        yield from _part_lines(part)
    yield ""
    yield verdict(report)


def clips_line(report: Report) -> str:
    """How many clips are expected, and who says so."""
    return f"{report.clips:,} clips, by {shown(report.source)}" if report.source else "no clip is known"


def verdict(report: Report) -> str:
    """One sentence about the whole."""
    errors, warnings = report.count(ERROR), report.count(WARNING)
    checked = f"{len(report.parts)} parts checked in {report.seconds:.1f} s"
    if not errors and not warnings:
        return f"in order: {checked}"
    counts = [f"{count:,} {word}{'s' * (count != 1)}" for count, word in ((errors, ERROR), (warnings, WARNING))]
    return f"{', '.join(counts)}: {checked}"


def _part_lines(part: Part) -> Iterator[str]:
    yield f"{shown(part.title)}  {shown(part.place)}"
    for label, value in part.facts:
        yield f"  {label:{_LABEL_WIDTH}} {value}"
    for code, finding in part.sorted_findings():
        rule = RULES[code]
        yield f"  {rule.severity.upper():{_LABEL_WIDTH}} {finding.count:,} x {rule.title}"
        yield f"  {'':{_LABEL_WIDTH}}   {examples(finding)}"
        yield f"  {'':{_LABEL_WIDTH}}   -> {rule.fix}"


def examples(finding: Finding) -> str:
    """``a; b (declares 9.00 s, holds 4.00 s); ... 12 more``."""
    listed = [f"{name} ({detail})" if detail else name for name, detail in finding.examples]
    rest = finding.count - len(listed)
    return "; ".join(listed + ([f"... {rest:,} more"] if rest else []))
