"""What `main_metric` and `compare` were asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from toolkit.openset.grouping import ChatOptions
from toolkit.openset.replies import ReplyStore, default_root


@dataclass(frozen=True)
class MetricOptions:
    """What is scored, and how; `chat` None forbids asking."""

    gt_csv: Path
    pred_csv: Path
    grouping: str = "auto"
    synonym_root: Path | None = None  # as the user gave it
    default_store: Path | None = None  # instead of it; None = openset-synonym beside `gt_csv`
    wheel_root: Path | None = None
    lexicon: Path | None = None
    label_parser: str = "quotes"
    repeat: int = 1
    allow_missing: bool = False
    out: Path | None = None
    table: bool = False
    chat: ChatOptions | None = None

    @property
    def store(self) -> ReplyStore:
        return ReplyStore.at(self.synonym_root or self.default_store or default_root(self.gt_csv))
