"""The report as one HTML page that refers to nothing outside itself and needs no script (one sorts the tables)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from toolkit.check.findings import ERROR, RULES, WARNING, Finding, Part
from toolkit.check.run import Report
from toolkit.check.text import clips_line, verdict
from toolkit.report.assets import SCRIPT, STYLE
from toolkit.report.markup import Cell, Column, esc, note, section, table, words

_OWN_STYLE = """
.error,.warning{font-weight:600}.error{color:rgb(var(--red))}.warning{color:var(--c2)}
.fine{color:var(--c3);font-weight:600}
ul.examples{margin:0;padding-left:1.1em}ul.examples small{display:inline}
section.part dl{grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr))}
"""
_FINDINGS = (
    Column("severity"),
    Column("count", numeric=True),
    Column("what"),
    Column("examples"),
    Column("what to do"),
)
_FOLDERS = (
    Column("folder"),
    Column("files"),
    Column("width"),
    Column("type"),
    Column("errors", numeric=True),
    Column("warnings", numeric=True),
)


def build_page(report: Report) -> str:
    """The page; the same for the same report."""
    title = f"{report.dataset}: what is in its folders"
    features = [part for part in report.parts if part.kind == "features" and part.title != "feature folders"]
    body = "".join(
        (
            _header(report, title),
            _navigation(report.parts),
            _summary(report.parts),
            *(_part(number, part) for number, part in enumerate(report.parts) if part not in features),
            _folders(features),
            *(_part(number, part) for number, part in enumerate(report.parts) if part in features),
        )
    )
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{esc(title)}</title>'
        f"<style>{STYLE}{_OWN_STYLE}</style></head>\n"
        f"<body><main>\n{body}</main><script>{SCRIPT}</script></body></html>\n"
    )


def _header(report: Report, title: str) -> str:
    kind = "error" if report.count(ERROR) else "warning" if report.count(WARNING) else "fine"
    facts = [
        ("folder", esc(report.root)),
        ("clips", esc(clips_line(report))),
        ("depth", "containers and headers only (--quick)" if report.quick else "everything read and decoded"),
        ("result", f'<span class="{kind}">{esc(verdict(report))}</span>'),
    ]
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    return f"<header><h1>{esc(title)}</h1><dl>{listed}</dl></header>\n"


def _navigation(parts: Sequence[Part]) -> str:
    links = "".join(f'<a href="#part{number}">{esc(part.title)}</a> ' for number, part in enumerate(parts))
    return f'<nav><a href="#summary">Findings</a> {links}</nav>\n'


def _summary(parts: Sequence[Part]) -> str:
    found = [(part, code, finding) for part in parts for code, finding in part.sorted_findings()]
    found.sort(key=lambda entry: RULES[entry[1]].severity != ERROR)  # stable: parts stay in order
    if not found:
        return section("summary", "Findings", note("Nothing was found: everything that was looked at is in order."))
    columns = (_FINDINGS[0], Column("part"), *_FINDINGS[1:3])
    rows = [
        [_severity(code), words(part.title), _count(finding), words(RULES[code].title, wide=True)]
        for part, code, finding in found
    ]
    return section("summary", "Findings", table("t-summary", "all findings", columns, rows))


def _part(number: int, part: Part) -> str:
    facts = "".join(f"<div><dt>{esc(label)}</dt><dd>{esc(value)}</dd></div>" for label, value in part.facts)
    rows = [
        [
            _severity(code),
            _count(finding),
            words(RULES[code].title, wide=True),
            _examples(finding),
            words(RULES[code].fix, wide=True),
        ]
        for code, finding in part.sorted_findings()
    ]
    findings = table(f"t-part{number}", f"findings: {part.title}", _FINDINGS, rows) if rows else ""
    text = section(f"part{number}", part.title, note(part.place), f"<dl>{facts}</dl>" if facts else "", findings)
    return text.replace("<section ", '<section class="part" ', 1)


def _folders(parts: Sequence[Part]) -> str:
    if not parts:
        return ""
    rows = []
    for part in parts:
        facts = dict(part.facts)
        cells = [words(facts.get(label, "")) for label in ("files", "width", "type")]
        counts = [part.count(severity) for severity in (ERROR, WARNING)]
        rows.append([words(part.title), *cells, *(Cell(f"{count:,}", count) for count in counts)])
    return section("folders", "All feature folders", table("t-folders", "feature folders", _FOLDERS, rows))


def _severity(code: str) -> Cell:
    severity = RULES[code].severity
    return Cell(f'<span class="{severity}">{severity}</span>', severity)


def _count(finding: Finding) -> Cell:
    return Cell(f"{finding.count:,}", finding.count)


def _examples(finding: Finding) -> Cell:
    listed = [f"{esc(name)}{f' <small>{esc(detail)}</small>' if detail else ''}" for name, detail in finding.examples]
    rest = finding.count - len(listed)
    listed += [f"<small>... {rest:,} more</small>"] if rest else []
    items = "".join(f"<li>{item}</li>" for item in listed)
    return Cell(f'<ul class="examples">{items}</ul>', finding.examples[0][0] if finding.examples else "", wide=True)
