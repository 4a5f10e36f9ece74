r"""Features of the aligned faces by Hugging Face vision models and EVA-02: features/<model>-UTT (or -FRA).

    python feature_extraction/visual/extract_vision_huggingface.py --dataset MER2024 --feature_level UTTERANCE \
        --model_name clip-vit-large-patch14 --gpu 0
    python feature_extraction/visual/extract_vision_huggingface.py --dataset MER2024 --model_name videomae-base \
        --videomae_type sunlicai --feature_level FRAME --gpu -1
    python feature_extraction/visual/extract_vision_huggingface.py --dataset MER2024 \
        --model_name eva02_base_patch14_224.mim_in22k

The model's folder is tools/transformers/<model_name> (EVA-02: tools/timm/<model_name>), or --model_dir. CLIP: projected
embedding of every frame; DINOv2: 64 frames; VideoMAE: 16 frames, or with sunlicai two clips of 16; every other
transformers model of pictures by its config. See docs/visual.md. --batch_size counts FRAMES (not clips) that go through
the model together; left out: 128 on a GPU, 16 on a CPU. The values do not depend on it.
"""

from __future__ import annotations

from collections.abc import Sequence

from feature_extraction.cli import extraction_parser, run_extractor
from feature_extraction.contract import Extractor
from feature_extraction.huggingface_folder import find_model_folder
from feature_extraction.visual.vision_folder import find_timm_folder
from toolkit.utils.errors import UserError, run_main


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and extract."""
    parser = extraction_parser(__doc__, modality="visual")
    parser.set_defaults(batch_size=None)
    parser.add_argument("--model_name", required=True, help="folder name below tools/transformers/ or tools/timm/")
    parser.add_argument("--model_dir", help="the model's folder, when it is elsewhere")
    parser.add_argument(
        "--videomae_type", default="uniform", choices=("uniform", "sunlicai"), help="how VideoMAE's frames are chosen"
    )
    args = parser.parse_args(argv)

    def build() -> Extractor:
        timm_folder = find_timm_folder(args.model_name, args.model_dir)
        if timm_folder is not None and args.videomae_type == "sunlicai":
            raise UserError(f"--videomae_type sunlicai is for VideoMAE, not for {args.model_name}")
        folder = timm_folder or find_model_folder(args.model_name, args.model_dir)
        from toolkit.utils.device import resolve_device

        device = resolve_device(args.gpu, args.strict_gpu)
        if timm_folder is not None:
            from feature_extraction.visual.eva02_extractor import Eva02Extractor

            return Eva02Extractor(folder, args.model_name, device, args.dtype, args.batch_size)
        from feature_extraction.visual.vision_extractor import VisionExtractor

        return VisionExtractor(folder, args.model_name, device, args.dtype, args.batch_size, args.videomae_type)

    return run_extractor(args, build)


if __name__ == "__main__":
    run_main(main)
