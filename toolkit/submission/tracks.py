"""The tracks: which columns a submission has, and which labels are known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from toolkit.globals import EMOS_MER
from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv


@dataclass(frozen=True)
class Track:
    """One track: the header of its csv, and the label set (empty: any words, in a list)."""

    name: str
    column: str
    labels: tuple[str, ...] = ()

    @property
    def header(self) -> tuple[str, str]:
        return ("name", self.column)


TRACKS = {
    "SEMI": Track("SEMI", "discrete", EMOS_MER),
    "NOISE": Track("NOISE", "discrete", EMOS_MER),
    "OV": Track("OV", "openset"),
}


def get_track(name: str) -> Track:
    """The track `name`, in any case, with or without ``MER-``.

    Raises:
        UserError: no such track.
    """
    key = name.upper().removeprefix("MER-").removeprefix("MER2024-")
    if key not in TRACKS:
        raise UserError(f"--track {name}: no such track; choose from {', '.join(TRACKS)}")
    return TRACKS[key]


def read_candidates(path: Path) -> list[str]:
    """The names that a submission must have, in the file's order: a csv with a column name.

    Raises:
        UserError: not there, no such column, an empty or repeated name, or no name at all.
    """
    names = [row["name"] for row in read_csv(path, required=("name",), unique="name")]
    if not names:
        raise UserError(f"{path}: no name below the header")
    return names
