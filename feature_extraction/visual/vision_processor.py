"""A transformers image processor (its PIL back end) as a `PictureView`.

The processor resizes and crops; its rescaling and normalisation, which are one line, are done on the model's device.
Pictures stay uint8 on the way: a quarter of the bytes between processes, and a third of the processor's time. Where the
two halves do not give what the processor gives (tried once, on noise), it does all of it.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_extraction.visual.picture_transforms import short_side_shape
from feature_extraction.visual.timm_loading import allow_torchvision
from feature_extraction.visual.vision_frames import PictureView, scaled
from toolkit.utils.errors import UserError
from toolkit.utils.quiet import quiet_transformers

if TYPE_CHECKING:
    import torch

PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")
_TRIED = 2  # pictures of noise
_TOLERANCE = 1e-5
_SIZES_ONLY = {"do_rescale": False, "do_normalize": False}
Scaling = tuple[float, tuple[float, ...], tuple[float, ...]]  # factor, mean, deviation


class ProcessorView(PictureView):
    """How the model in `folder` sees faces.

    Raises:
        UserError: the folder has no processor, or one that makes no picture ``(3, H, W)`` of a face.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        noise = np.random.default_rng(0).integers(0, 256, (_TRIED, 112, 112, 3), dtype=np.uint8)
        _ = self._processor  # its own errors first
        try:
            whole = self._process(noise)
        except Exception as error:  # processors of other kinds of models raise anything
            raise UserError(f"{folder}: its image processor fails on a face ({_line(error)})") from error
        if whole.ndim != 4 or whole.shape[:2] != (_TRIED, 3):
            raise UserError(f"{folder}: its image processor makes {whole.shape} of {_TRIED} faces, not (2, 3, H, W)")
        self.shape = tuple(whole.shape[1:])
        self._scaling = self._find_scaling(noise, whole)
        self.nbytes = int(np.prod(self.shape)) * (4 if self._scaling is None else 1)

    @functools.cached_property
    def _processor(self) -> Any:
        return _load_processor(self._folder)

    def __getstate__(self) -> dict[str, Any]:
        # a worker process loads its own: unpickling one could import torchvision before it is made importable
        return {key: value for key, value in self.__dict__.items() if key != "_processor"}

    def pictures(self, faces: np.ndarray) -> np.ndarray:
        short_side_shape(*faces.shape[1:3], 1)  # a strip would become a huge picture before it is cropped
        return self._process(faces) if self._scaling is None else self._process(faces, **_SIZES_ONLY)

    def tensor(self, pictures: np.ndarray, device: torch.device) -> torch.Tensor:
        return scaled(pictures, device, *(self._scaling or ()))

    def _process(self, faces: np.ndarray, **options: bool) -> np.ndarray:
        rgb = np.ascontiguousarray(faces[..., ::-1])
        # the layout is stated: a picture of 1 or 3 pixels' height would look like one with channels first
        values = self._processor(list(rgb), return_tensors="np", input_data_format="channels_last", **options)
        values = np.asarray(values["pixel_values"])
        return values.reshape(-1, *values.shape[-3:]) if values.shape[0] == 1 else values  # a video: (1, N, 3, H, W)

    def _find_scaling(self, noise: np.ndarray, whole: np.ndarray) -> Scaling | None:
        """The processor's scaling, if applying it to the resized pictures is what the processor does."""
        import torch

        processor = self._processor
        scale = float(processor.rescale_factor) if getattr(processor, "do_rescale", False) else 1.0
        mean, std = (0.0,) * 3, (1.0,) * 3
        if getattr(processor, "do_normalize", False):
            mean = tuple(float(value) for value in np.broadcast_to(processor.image_mean, 3))
            std = tuple(float(value) for value in np.broadcast_to(processor.image_std, 3))
        try:
            resized = self._process(noise, **_SIZES_ONLY)
        except Exception:  # a processor that does more than this, and says so
            return None
        if resized.dtype != np.uint8 or resized.shape != whole.shape:
            return None
        found = scaled(resized, torch.device("cpu"), scale, mean, std).numpy()
        return (scale, mean, std) if np.allclose(found, whole, rtol=0, atol=_TOLERANCE) else None


def _load_processor(folder: Path) -> Any:
    if not any((folder / name).is_file() for name in PROCESSOR_FILES):
        raise UserError(
            f"{folder}: holds no {PROCESSOR_FILES[0]}, which says how pictures are prepared; "
            "get it from the model's page on the Hugging Face hub"
        )
    allow_torchvision()
    from transformers import AutoImageProcessor

    with quiet_transformers():
        try:
            return AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
        except Exception as error:  # a damaged or foreign file ends in errors of many kinds
            raise UserError(f"{folder}: no usable {PROCESSOR_FILES[0]} ({_line(error)})") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
