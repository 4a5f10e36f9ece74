"""The mini-Xception feature: 128 values per aligned face, from a network trained on FER2013's expressions.

What the network sees: the aligned face without its outer `MARGIN` (hair, ears, background), grey, 64 x 64, -1 to 1.
The margin was chosen on the 48 labelled demo clips, one drawn person, so it is a weak choice: the network's own answer
agreed with the label in 22 clips, against 17 with the whole picture and 22 with the detector's box widened by 10 pixels
(the way of the package fer). The feature, in a linear probe that leaves one clip out, told all 48 apart either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from feature_extraction.contract import Extractor, Output, Sample
from feature_extraction.visual.face_reader import read_faces
from feature_extraction.visual.nets.mini_xception import FACE_SIZE, WIDTH, load_mini_xception
from toolkit.globals import PATH_TO_PRETRAINED_MODELS
from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    import torch

STEM = "mini-xception"
MODEL_FOLDER = "fer2013-mini-xception"
WEIGHTS_FILE = "emotion_model.hdf5"
MARGIN = 12 / 112  # of width and height, cut off at each side
CHUNK = 128  # faces that go through the network together; bounds memory whatever the clips' length


class GreyFaces:
    """Picklable: a sample of aligned faces -> ``(T, 64, 64)`` uint8 grey faces."""

    def __call__(self, sample: Sample) -> np.ndarray:
        faces = read_faces(sample)
        return (
            np.stack([grey_face(face) for face in faces])
            if len(faces)
            else np.empty((0, FACE_SIZE, FACE_SIZE), np.uint8)
        )


def grey_face(face: np.ndarray) -> np.ndarray:
    """What the network sees of one BGR face ``(H, W, 3)`` uint8: ``(64, 64)`` uint8."""
    top, left = (round(size * MARGIN) for size in face.shape[:2])
    grey = cv2.cvtColor(face, cv2.COLOR_BGR2GRAY)[top : face.shape[0] - top, left : face.shape[1] - left]
    # area averaging: on the way down to 64 pixels, bilinear sampling would leave pixels out
    return cv2.resize(grey, (FACE_SIZE, FACE_SIZE), interpolation=cv2.INTER_AREA)


def network_input(grey: np.ndarray) -> torch.Tensor:
    """``(N, 64, 64)`` uint8 -> ``(N, 1, 64, 64)`` float32, black is -1 and white 1."""
    import torch

    return (torch.from_numpy(grey).unsqueeze(1).float() / 255 - 0.5) * 2


class MiniXceptionExtractor(Extractor):
    """Global average before the last convolution, ``(T, 128)``.

    Raises:
        UserError: the weights are missing or of another network.
    """

    modality = "visual"
    outputs = (Output(STEM, WIDTH),)

    def __init__(self, device: torch.device, model_dir: str | Path | None = None) -> None:
        folder = Path(model_dir).expanduser() if model_dir else PATH_TO_PRETRAINED_MODELS / MODEL_FOLDER
        path = folder / WEIGHTS_FILE
        if not path.is_file():
            raise UserError(
                f"{path} does not exist; `./run-mer2024.sh setup` puts it there (or name its folder with --model_dir)"
            )
        self.load = GreyFaces()
        self.device = device
        self.network = load_mini_xception(path).to(device)

    def extract(self, batch: Sequence[np.ndarray]) -> list[tuple[np.ndarray, ...]]:
        """`batch`: per clip ``(T, 64, 64)`` uint8; per clip one array ``(T, 128)`` float32."""
        import torch

        faces = np.concatenate(batch)
        rows = np.empty((len(faces), WIDTH), np.float32)
        with torch.inference_mode():
            for start in range(0, len(faces), CHUNK):  # a chunk goes over the borders of clips
                x = network_input(faces[start : start + CHUNK]).to(self.device)
                rows[start : start + CHUNK] = self.network.features(x).cpu().numpy()
        ends = np.cumsum([len(clip) for clip in batch])[:-1]
        return [(clip_rows,) for clip_rows in np.split(rows, ends)]
