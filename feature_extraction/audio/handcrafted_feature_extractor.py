"""Handcrafted audio features (openSMILE): features/<set>_UTT (or _FRA).

    python feature_extraction/audio/handcrafted_feature_extractor.py --dataset MER2024 --feature_level UTTERANCE \
        --feature_extractor opensmile --feature_set eGeMAPS --num_workers 2

Sets: eGeMAPS (88 functionals / 23 descriptors), IS09 (384 / 32), IS10 (1582 / 76), IS13 (6373 / 130). CPU only: --gpu
is accepted and has no effect; --num_workers spreads the work.
"""

from __future__ import annotations

from collections.abc import Sequence

from feature_extraction.audio.opensmile_extractor import FEATURE_SETS, OpensmileExtractor
from feature_extraction.cli import extraction_parser, run_extractor
from toolkit.utils.errors import run_main


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and extract."""
    parser = extraction_parser(__doc__)
    parser.add_argument("--feature_extractor", default="opensmile", choices=["opensmile"])
    parser.add_argument("--feature_set", required=True, choices=list(FEATURE_SETS))
    args = parser.parse_args(argv)
    return run_extractor(args, lambda: OpensmileExtractor(args.feature_set, args.feature_level))


if __name__ == "__main__":
    run_main(main)
