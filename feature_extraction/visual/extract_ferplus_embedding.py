r"""ResNet-50 or SENet-50 (FER2013+) features of the aligned faces: features/resnet50face_UTT, senet50face_UTT.

    python feature_extraction/visual/extract_ferplus_embedding.py --dataset MER2024 --feature_level UTTERANCE \
        --model_name resnet50_ferplus_dag --gpu 0
    python feature_extraction/visual/extract_ferplus_embedding.py --dataset MER2024 --feature_level FRAME \
        --model_name senet50_ferplus_dag --layer_name pool5_7x7_s1 --gpu 0

512 values (layer conv5_3_3x3_relu), or as many as the layer has channels: 2048 for pool5_7x7_s1. The folder's name does
not tell the layer, so features of two layers need two --data_root folders (a folder is never mixed: you would be told).
The checkpoint is tools/ferplus/<model_name>.pth, or --checkpoint. --model is accepted for --model_name.
"""

from __future__ import annotations

from collections.abc import Sequence

from feature_extraction.visual.face_networks import FERPLUS_LAYER, FERPLUS_MODELS, ferplus_network
from feature_extraction.visual.face_script import face_parser, run_face_network
from toolkit.utils.errors import run_main


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and extract."""
    parser = face_parser(__doc__)
    parser.add_argument("--model_name", "--model", required=True, choices=FERPLUS_MODELS)
    parser.add_argument("--layer_name", default=FERPLUS_LAYER, help=f"any layer (default {FERPLUS_LAYER})")
    args = parser.parse_args(argv)
    return run_face_network(args, lambda: ferplus_network(args.model_name, args.layer_name))


if __name__ == "__main__":
    run_main(main)
