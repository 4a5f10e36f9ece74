"""One corpus over several jobs: ``--shard 3/8`` is the third of eight parts, cut by a hash of the clip's name.

The cut depends on nothing but names, so jobs need not know of each other, and a job that is started again, or after
clips were added, finds its own.
"""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from feature_extraction.contract import Sample


@dataclass(frozen=True)
class Shard:
    """Part `index` (1 ... `total`) of `total`."""

    index: int = 1
    total: int = 1

    def holds(self, name: str) -> bool:
        """Whether the clip `name` belongs to this part."""
        digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.total == self.index - 1

    def select(self, samples: Sequence[Sample]) -> list[Sample]:
        """The samples of this part, in their order."""
        return list(samples) if self.total == 1 else [sample for sample in samples if self.holds(sample.name)]


def shard(text: str) -> Shard:
    """An argparse type: ``i/n`` with 1 <= i <= n."""
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form i/n, for example 3/8")
    index, total = int(match[1]), int(match[2])
    if total < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: there must be at least 1 part, for example 1/1 or 3/8")
    if not 1 <= index <= total:
        raise argparse.ArgumentTypeError(f"{text!r}: shards count from 1, so give 1/{total} to {total}/{total}")
    return Shard(index, total)
