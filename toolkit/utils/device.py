"""Choosing where to compute."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from toolkit.utils.errors import UserError

if TYPE_CHECKING:
    import torch


def resolve_device(gpu: int, strict: bool = False) -> torch.device:
    """The torch device for ``--gpu``: an index, or -1 for the CPU.

    A GPU that does not exist falls back to the CPU with a warning.

    Raises:
        UserError: the GPU does not exist and `strict` is set.
    """
    import torch

    if gpu < 0:
        return torch.device("cpu")
    count = torch.cuda.device_count()
    if gpu < count:
        return torch.device("cuda", gpu)
    found = f"GPUs found: {', '.join(map(str, range(count)))}" if count else "no GPU was found"
    if strict:
        raise UserError(f"--gpu {gpu} does not exist ({found}); give -1 for the CPU, or leave out --strict_gpu")
    print(f"warning: --gpu {gpu} does not exist ({found}); using the CPU", file=sys.stderr)
    return torch.device("cpu")
