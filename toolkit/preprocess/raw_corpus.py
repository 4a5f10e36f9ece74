"""What a corpus module states about a download: its clips, labels and transcripts.

A corpus module is one function ``read(raw_root, paths) -> RawCorpus`` and a docstring with its commands; it reads the
download's tables and lists its folders, opens no video and writes nothing. `toolkit.preprocess.prepare` does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.globals import CorpusPaths

LabelKeys = Mapping[str, Mapping[str, Mapping[str, Any]]]  # train_corpus, ... -> name -> {'emo': ..., 'val': ...}


@dataclass(frozen=True)
class Clip:
    """One clip of the corpus.

    Attributes:
        name: its name in all files of the corpus.
        source: the video of the download that holds it; that it exists is checked later.
        start, end: the part of `source` which is the clip, in seconds; None: all of it.
        half: "left" or "right": the half of the picture to keep; "": all of it.
    """

    name: str
    source: Path
    start: float | None = None
    end: float | None = None
    half: str = ""

    @property
    def is_cut(self) -> bool:
        """Whether the clip has to be encoded anew (else the file itself is the clip)."""
        return self.start is not None or bool(self.half)


@dataclass(frozen=True)
class RawCorpus:
    """A download.

    Attributes:
        clips: in the order of the corpus' tables; a name that comes again is reported and not used.
        labels: label file name -> key -> name -> label, dict order is sample order. Names without a usable clip are
            left out when the file is written.
        known: label file name -> key -> number of samples of the whole corpus.
        transcripts: name -> column ("chinese", "english") -> text; every name with the same columns.
        problems: (name, reason) of clips that could not even be stated; they count as failed.
        remarks: (name, text) to show as warnings.
        notes: sentences for the user.
    """

    clips: Sequence[Clip]
    labels: Mapping[str, LabelKeys]
    known: Mapping[str, Mapping[str, int]]
    transcripts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    problems: Sequence[tuple[str, str]] = ()
    remarks: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()


Reader = Callable[[Path, CorpusPaths], RawCorpus]
