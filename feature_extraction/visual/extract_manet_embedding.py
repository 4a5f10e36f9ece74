"""MA-Net (RAF-DB) features of the aligned faces: features/manet_UTT (or manet_FRA), 1024 values.

    python feature_extraction/visual/extract_manet_embedding.py --dataset MER2024 --feature_level UTTERANCE --gpu 0
    python feature_extraction/visual/extract_manet_embedding.py --dataset MER2024 --feature_level FRAME --gpu -1

The checkpoint is the one file tools/manet/*.pth ("[02-08]-[21-19]-model_best-acc88.33.pth"), or --checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence

from feature_extraction.visual.face_networks import MANET
from feature_extraction.visual.face_script import face_parser, run_face_network
from toolkit.utils.errors import run_main


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and extract."""
    return run_face_network(face_parser(__doc__).parse_args(argv), lambda: MANET)


if __name__ == "__main__":
    run_main(main)
