"""EVA-02 (Fang et al. 2023), and any other picture model of timm: its pooled features of every frame, ``(T, D)``.

The picture is what timm's own evaluation transform makes of it. timm prepares it in its "prefetcher" form, uint8
without the normalisation, which is done on the model's device: a quarter of the bytes between processes.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_extraction.visual.picture_transforms import short_side_shape
from feature_extraction.visual.timm_loading import import_timm
from feature_extraction.visual.vision_extractor import FrameExtractor
from feature_extraction.visual.vision_folder import TIMM_WEIGHTS, timm_architecture
from feature_extraction.visual.vision_frames import PictureView, Sampling, scaled
from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    import torch


class TimmView(PictureView):
    """timm's evaluation transform by its settings (``timm.data.resolve_model_data_config``)."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.shape = tuple(settings["input_size"])
        self.nbytes = int(np.prod(self.shape))

    @functools.cached_property
    def _transform(self) -> Any:
        return import_timm().data.create_transform(**self.settings, is_training=False, use_prefetcher=True)

    def __getstate__(self) -> dict[str, Any]:
        # a worker process builds its own: unpickling timm's would import torchvision before it is made importable
        return {key: value for key, value in self.__dict__.items() if key != "_transform"}

    def pictures(self, faces: np.ndarray) -> np.ndarray:
        from PIL import Image

        short_side_shape(*faces.shape[1:3], 1)  # a strip would become a huge picture before it is cropped
        transform = self._transform
        return np.stack(
            [np.asarray(transform(Image.fromarray(np.ascontiguousarray(face[..., ::-1])))) for face in faces]
        )

    def tensor(self, pictures: np.ndarray, device: torch.device) -> torch.Tensor:
        return scaled(pictures, device, 1 / 255, self.settings["mean"], self.settings["std"])


class Eva02Extractor(FrameExtractor):
    """Features of a timm model's folder; the feature's name is the model's, cut at its first dot.

    Raises:
        UserError: timm is not installed, or does not know the model.
    """

    formula = "pooled output without a classifier, every frame"

    def __init__(
        self,
        folder: Path,
        model_name: str,
        device: torch.device,
        dtype: str = "float32",
        frames_at_once: int | None = None,
    ) -> None:
        self.weights = folder
        self._architecture, self._settings = timm_architecture(folder, model_name)
        structure = self._create()  # with random weights: about a second, and says width and transform
        view = TimmView(import_timm().data.resolve_model_data_config(structure))
        stem = model_name.split(".")[0]
        super().__init__(stem, structure.num_features, view, Sampling(), device, dtype, frames_at_once)
        if device.type == "cpu":
            self.replica = functools.partial(Eva02Extractor, folder, model_name, device, dtype, frames_at_once)

    def prepare(self) -> None:
        """Load the weights; raises `UserError` when they are damaged or of another model."""
        import torch

        model = self._create(state_dict=_read_weights(self.weights))
        self.model = model.eval().requires_grad_(False).to(self.device, getattr(torch, self.dtype))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """The pooled output, ``(N, D)``."""
        return self.model(x)

    def _create(self, **source: Any) -> Any:
        timm = import_timm()
        settings = {**self._settings, **source}
        try:
            return timm.create_model(
                self._architecture, pretrained=bool(source), num_classes=0, pretrained_cfg_overlay=settings
            )
        except (RuntimeError, KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{self.weights}: timm {timm.__version__} cannot make a {self._architecture} of it "
                f"({' '.join(str(error).split())[:300]})"
            ) from error


def _read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The state dict, read without running anything that is in the file."""
    import torch

    from feature_extraction.torch_checkpoint import code_fault, plain_reason

    path = next(folder / name for name in TIMM_WEIGHTS if (folder / name).is_file())
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files end in errors of many kinds
        if fault := code_fault(error):
            raise UserError(f"{path}: {fault}") from error
        raise UserError(f"{path}: cannot be read ({plain_reason(error)[:300]}); download it again") from error
