r"""Handcrafted audio features: features/<set>_UTT (openSMILE) or features/<set>-UTT (librosa); _FRA, -FRA with frames.

    python feature_extraction/audio/handcrafted_feature_extractor.py --dataset MER2024 --feature_level UTTERANCE \
        --feature_extractor opensmile --feature_set eGeMAPS --num_workers 2
    python feature_extraction/audio/handcrafted_feature_extractor.py --dataset MER2024 --feature_level FRAME \
        --feature_extractor librosa --feature_set mfcc --num_workers 2

openSMILE sets: eGeMAPS (88 functionals / 23 descriptors), IS09 (384 / 32), IS10 (1582 / 76), IS13 (6373 / 130); librosa
sets: mel_spec (128), mfcc (120). openSMILE's configuration is that of tools/opensmile-2.3.0/config when that is there,
else the opensmile package's. CPU only: --gpu is accepted and has no effect; --num_workers processes share the work
(default: openSMILE as many as cores, librosa none).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from feature_extraction.audio.librosa_extractor import LIBROSA_SETS, LibrosaExtractor
from feature_extraction.audio.opensmile_config import choose_config
from feature_extraction.audio.opensmile_extractor import OpensmileExtractor
from feature_extraction.cli import extraction_parser, folder_part, run_extractor
from feature_extraction.contract import Extractor
from toolkit.utils.errors import run_main


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and extract."""
    parser = extraction_parser(__doc__, modality="audio")
    parser.add_argument("--feature_extractor", choices=["opensmile", "librosa"], help="default: the one of the set")
    parser.add_argument(
        "--feature_set", required=True, type=folder_part, help="eGeMAPS, IS09, IS10, IS13; mel_spec, mfcc"
    )
    parser.add_argument(
        "--opensmile_config",
        metavar="FILE",
        help="a .conf file of your own (--feature_set then names the folder), or 'package' for the package's",
    )
    args = parser.parse_args(argv)
    if args.dtype != "float32":
        parser.error("--dtype: these features are computed in float32 only")

    def build() -> Extractor:
        if (args.feature_extractor or ("librosa" if args.feature_set in LIBROSA_SETS else "opensmile")) == "librosa":
            return LibrosaExtractor(args.feature_set)
        config = choose_config(args.feature_set, args.opensmile_config)
        if config:
            print(f"openSMILE configuration: {config}", file=sys.stderr)
        return OpensmileExtractor(args.feature_set, args.feature_level, config)

    return run_extractor(args, build)


if __name__ == "__main__":
    run_main(main)
