"""The embedded emotion lexicon: groups emotion labels (English, Chinese) into clusters, offline and always alike.

    lexicon = load_lexicon()
    lexicon.groups(["happy", "slightly annoyed", "joyful", "有点生气"])
    # [["happy", "joyful"], ["slightly annoyed", "有点生气"]]

The words stand in lexicon.csv (word, language, cluster, emotion; the finer `emotion` is for readers only), the clusters
in lexicon-clusters.csv. Written from common psychological knowledge; docs/openset-lexicon.md says how good it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from toolkit.openset.lexicon_chinese import ChineseReader
from toolkit.openset.lexicon_english import EnglishReader
from toolkit.openset.lexicon_table import (
    WORDS_CSV,
    Cluster,
    in_known_clusters,
    is_chinese,
    normalise,
    read_clusters,
    read_words,
    suspicious_clusters,
)

_LISTING = re.compile(r"[/|&+,;\uff0c\uff1b\u3001]")  # "angry/displeased" reads like "angry and displeased"
_READ = 200  # characters of a label that are looked at: a longer one is a whole story, and would take long


class Lexicon:
    """Words with their clusters, and the rules that carry a label to one of them. Answers are remembered by label."""

    def __init__(self, words: dict[str, str], clusters: dict[str, Cluster], notes: Sequence[str] = ()) -> None:
        self.words = words
        self.notes = tuple(notes)  # doubts about a user's csv
        self.clusters = clusters
        self._english = EnglishReader({word: name for word, name in words.items() if not is_chinese(word)}, clusters)
        self._chinese = ChineseReader({word: name for word, name in words.items() if is_chinese(word)}, clusters)
        self._known: dict[str, str | None] = {}

    def cluster(self, label: str) -> str | None:
        """The cluster of a label, None if unknown. A label in both scripts is read by its Chinese part."""
        if label not in self._known:
            chinese = is_chinese(label)
            text = normalise(_LISTING.sub(" " if chinese else " and ", label[:_READ]))
            self._known[label] = (self._chinese if chinese else self._english).cluster(text) if text else None
        return self._known[label]

    def knows(self, label: str) -> bool:
        """Whether the label has a cluster."""
        return self.cluster(label) is not None

    def groups(self, labels: Sequence[str]) -> list[list[str]]:
        """The distinct labels, each in exactly one group; groups and their labels in order of first appearance.

        Labels of one cluster stand together. An unknown label stands alone, or with its other spellings that differ in
        case, blanks, hyphens and punctuation only.
        """
        groups: dict[tuple[str, str], list[str]] = {}
        for label in dict.fromkeys(labels):
            cluster = self.cluster(label)
            key = ("cluster", cluster) if cluster else ("unknown", normalise(label) or label)
            groups.setdefault(key, []).append(label)
        return list(groups.values())


def load_lexicon(extra: Path | None = None) -> Lexicon:
    """The embedded lexicon, with the words of a user's csv added (or moved to the cluster that it names).

    Args:
        extra: a csv with the columns word, language (en, zh) and cluster: a cluster, one of its finer emotions, or a
            new name, which opens a new cluster.

    Raises:
        UserError: the csv is missing or has a bad row (names the line).
    """
    words, clusters, notes = read_words(WORDS_CSV), read_clusters(), []
    if extra is not None:
        own = read_words(Path(extra))
        words |= in_known_clusters(own, clusters)
        notes = suspicious_clusters(Path(extra), own, clusters)
    return Lexicon(words, clusters, notes)
