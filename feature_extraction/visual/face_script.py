"""The command line that the face network scripts share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from feature_extraction.cli import extraction_parser, run_extractor
from feature_extraction.contract import Extractor
from feature_extraction.visual.face_networks import FaceNetwork

if TYPE_CHECKING:
    import torch


def face_parser(description: str | None, weights_flag: str = "--checkpoint") -> argparse.ArgumentParser:
    """A parser with the flags of every face network script; `weights_flag` names a file of weights."""
    parser = extraction_parser(description, batch_size=64, modality="visual")
    parser.add_argument(weights_flag, metavar="FILE", help="the weights, when they are not in their place below tools/")
    parser.add_argument("--half", action="store_true", help="compute in float16 (GPU; same as --dtype float16)")
    return parser


def face_dtype(args: argparse.Namespace, device: torch.device) -> str:
    """What to compute in; a CPU computes in float32 whatever is asked, and says so."""
    dtype = "float16" if args.half else args.dtype
    if device.type == "cpu" and dtype != "float32":
        print(f"note: {dtype} is for GPUs; computing in float32 on the CPU", file=sys.stderr)
        return "float32"
    return dtype


def run_face_network(args: argparse.Namespace, network: Callable[[], FaceNetwork]) -> int:
    """Extract with the network; the exit status is 1 when any clip failed."""

    def build() -> Extractor:
        row = network()
        checkpoint = row.place.find(args.checkpoint)  # before the slow imports
        from feature_extraction.visual.face_network_extractor import FaceNetworkExtractor
        from toolkit.utils.device import resolve_device

        device = resolve_device(args.gpu, args.strict_gpu)
        return FaceNetworkExtractor(row, checkpoint, device, face_dtype(args, device))

    return run_extractor(args, build)
