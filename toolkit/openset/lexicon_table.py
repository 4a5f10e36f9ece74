"""The lexicon's two csv tables: words with their clusters, and clusters with valence, arousal and opposite."""

from __future__ import annotations

import csv
import difflib
import io
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from toolkit.utils.errors import UserError
from toolkit.utils.read_files import read_csv

FOLDER = Path(__file__).resolve().parent
WORDS_CSV = FOLDER / "lexicon.csv"
CLUSTERS_CSV = FOLDER / "lexicon-clusters.csv"
LANGUAGES = ("en", "zh")

_NORMAL = re.compile(r"[a-z]+|[\u4e00-\u9fff]+")  # what nearly all words are; spares the slow way
_CLUSTER = re.compile(r"[a-z][a-z0-9-]*")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")


@dataclass(frozen=True)
class Cluster:
    """One row of lexicon-clusters.csv; valence and arousal are -1, 0 or 1."""

    valence: int
    arousal: int
    opposite: str | None  # the cluster that "not <a word of this one>" belongs to


def normalise(text: str) -> str:
    """Lower case, NFKC (full-width forms), letters, digits and single blanks only; no apostrophes ("don't": "dont")."""
    if _NORMAL.fullmatch(text):
        return text
    text = unicodedata.normalize("NFKC", text).lower()
    text = re.sub(r"['’‘`´]", "", text)
    return " ".join(re.sub(r"[\W_]+", " ", text).split())


def is_chinese(text: str) -> bool:
    """Whether the text has at least one Chinese character."""
    return _HAN.search(text) is not None


def read_words(path: Path) -> dict[str, str]:
    """Word (normalised) -> cluster, of a csv with the columns word, language, cluster; others are not read.

    Raises:
        UserError: a missing file or column, an empty or unusable cell, an unknown language, a word in two clusters.
    """
    words: dict[str, str] = {}
    lines: dict[str, int] = {}
    for line, cells in _rows(path, ("word", "language", "cluster")):
        word, language, cluster = map(str.strip, cells)
        key = normalise(word)
        if not key:
            raise UserError(f"{path}, line {line}: word {word!r} has no letters")
        if language not in LANGUAGES:
            raise UserError(f"{path}, line {line}: language {language!r}; use one of {', '.join(LANGUAGES)}")
        if is_chinese(key) != (language == "zh"):
            raise UserError(f"{path}, line {line}: word {word!r} is not written in the language {language!r}")
        if not _CLUSTER.fullmatch(cluster):
            raise UserError(f"{path}, line {line}: cluster {cluster!r}; write a lower-case English word, like anger")
        if words.get(key, cluster) != cluster:
            raise UserError(
                f"{path}, line {line}: {word!r} is in cluster {cluster}, but in {words[key]} in line {lines[key]}; "
                "keep one of the two"
            )
        words[key] = cluster
        lines.setdefault(key, line)
    return words


def read_emotions(path: Path = WORDS_CSV) -> dict[str, str]:
    """Finer emotion -> the cluster that it is in: {"anxiety": "fear", ...}."""
    return {emotion: cluster for _, (cluster, emotion) in _rows(path, ("cluster", "emotion"))}


def read_clusters(path: Path = CLUSTERS_CSV) -> dict[str, Cluster]:
    """Cluster name -> its row, in the order of the file."""
    rows = read_csv(path, ("cluster", "valence", "arousal", "opposite"), unique="cluster")
    return {row["cluster"]: Cluster(int(row["valence"]), int(row["arousal"]), row["opposite"] or None) for row in rows}


def in_known_clusters(words: dict[str, str], known: dict[str, Cluster]) -> dict[str, str]:
    """A user's words, those of a finer emotion ("anger") moved to its cluster ("displeasure").

    Any other name opens a new cluster.
    """
    emotions = read_emotions()
    return {word: cluster if cluster in known else emotions.get(cluster, cluster) for word, cluster in words.items()}


def suspicious_clusters(path: Path, words: dict[str, str], known: dict[str, Cluster]) -> list[str]:
    """A warning for each new cluster whose name is close to a known one: a misspelling would silently stand apart."""
    emotions = read_emotions()
    names, warnings = [*known, *emotions], []
    for cluster in dict.fromkeys(words.values()):
        close = difflib.get_close_matches(cluster, names, n=1, cutoff=0.8)
        if close and cluster not in names:
            warnings.append(
                f"WARNING: {path}: cluster {cluster!r} is new and its words stand apart; was {close[0]!r} meant?"
            )
    return warnings


def _rows(path: Path, required: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """(line number, the required cells) of each row; a row with fewer or more cells than the header is an error."""
    try:
        reader = csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""))
        header = next(reader)
        columns = [header.index(name) for name in required]
    except (OSError, UnicodeDecodeError, StopIteration, ValueError):
        read_csv(path, required)  # says what is wrong: no such file, not UTF-8, a missing column
        raise
    for row in reader:
        if row and len(row) != len(header):
            raise UserError(f"{path}, line {reader.line_num}: {len(row)} cells instead of {len(header)}")
        if row:
            yield reader.line_num, [row[column] for column in columns]
