"""ResNet-18 (ImageNet) features of the aligned faces: features/imagenet_UTT (or imagenet_FRA), 512 values.

    python feature_extraction/visual/extract_imagenet_embedding.py --dataset MER2024 --feature_level UTTERANCE --gpu 0
    python feature_extraction/visual/extract_imagenet_embedding.py --dataset MER2024 --feature_level FRAME --gpu -1

The checkpoint is the one file tools/imagenet/resnet18*.pth (torchvision's resnet18-f37072fd.pth), or --checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence

from feature_extraction.visual.face_networks import IMAGENET
from feature_extraction.visual.face_script import face_parser, run_face_network
from toolkit.utils.errors import run_main


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and extract."""
    return run_face_network(face_parser(__doc__).parse_args(argv), lambda: IMAGENET)


if __name__ == "__main__":
    run_main(main)
