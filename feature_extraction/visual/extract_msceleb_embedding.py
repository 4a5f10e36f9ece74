"""ResNet-18 (MS-Celeb-1M) features of the aligned faces: features/msceleb_UTT (or msceleb_FRA), 512 values.

    python feature_extraction/visual/extract_msceleb_embedding.py --dataset MER2024 --feature_level UTTERANCE --gpu 0
    python feature_extraction/visual/extract_msceleb_embedding.py --dataset MER2024 --feature_level FRAME --gpu -1

The checkpoint is tools/msceleb/resnet18_msceleb.pth, or --checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence

from feature_extraction.visual.face_networks import MSCELEB
from feature_extraction.visual.face_script import face_parser, run_face_network
from toolkit.utils.errors import run_main


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and extract."""
    return run_face_network(face_parser(__doc__).parse_args(argv), lambda: MSCELEB)


if __name__ == "__main__":
    run_main(main)
