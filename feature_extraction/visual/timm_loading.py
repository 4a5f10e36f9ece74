"""Importing timm (extra ``visual``), also beside a torchvision that was built for another torch.

torchvision's published wheels are CUDA builds. Next to a CPU build of torch their compiled part cannot be loaded, and
``import torchvision`` fails, and with it timm and parts of transformers: torchvision describes two operators (nms and
qnms, for object detection) that nobody has defined then. Defining their names is enough; no feature of ours uses them.
"""

from __future__ import annotations

import functools
import importlib
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    import torch

MISSING_OPERATORS = ("nms", "qnms")


def allow_torchvision() -> None:
    """Make ``import torchvision`` work where it is installed; does nothing where it is not, or works already.

    Call it before transformers or timm are asked for anything about pictures.
    """
    if "torchvision" in sys.modules or find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]  # what a failed import leaves behind
        _define_operators()
        importlib.import_module("torchvision")


@functools.cache  # the operators live as long as the object that defined them
def _define_operators() -> torch.library.Library:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in MISSING_OPERATORS:
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def import_timm() -> ModuleType:
    """The package timm.

    Raises:
        UserError: timm or torchvision is not installed, or cannot be imported.
    """
    missing = [name for name in ("timm", "torchvision") if name not in sys.modules and find_spec(name) is None]
    if missing:
        raise UserError(
            f"EVA-02 needs {' and '.join(missing)}, the extra 'visual': pip install -e '.[visual]' -c constraints.txt"
        )
    try:
        allow_torchvision()
        importlib.import_module("timm.data")
        return importlib.import_module("timm")
    except (ImportError, RuntimeError, OSError) as error:
        raise UserError(
            f"timm cannot be imported ({' '.join(str(error).split())}); install the torchvision that belongs to your "
            "torch: pip install -e '.[visual]' -c constraints.txt"
        ) from error
