"""Torch checkpoints of plain networks: read without running code, checked key by key against the network."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from toolkit.utils.errors import UserError

Network = TypeVar("Network", bound=nn.Module)
MAX_NAMED = 3  # keys named in a message


def read_checkpoint(path: Path, allowed: Sequence[Any] = ()) -> dict[str, Any]:
    """The dict that a checkpoint file holds, tensors on the CPU; only tensors, plain values and `allowed` types.

    Raises:
        UserError: missing, unreadable, not a dict, or it holds something else (which could run code).
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist")
    try:
        with torch.serialization.safe_globals(list(allowed)):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{path}: not a readable torch checkpoint of weights ({reason}); download it again") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a {type(content).__name__}, not a dict of weights")
    return content


def load_weights(network: Network, weights: Mapping[str, Any], path: Path) -> Network:
    """`network` (made on the meta device or not) with exactly these `weights`, as float32, in eval mode.

    Raises:
        UserError: keys are missing or unknown, or a shape is wrong.
    """
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    found = {key: tuple(value.shape) if isinstance(value, torch.Tensor) else None for key, value in weights.items()}
    problems = [f"{key} is missing" for key in expected if key not in found]
    problems += [f"{key} is unknown" for key in found if key not in expected]
    problems += [
        f"{key} has shape {found[key]} instead of {shape}"
        for key, shape in expected.items()
        if key in found and found[key] != shape
    ]
    if problems:
        more = f" and {len(problems) - MAX_NAMED} more" if len(problems) > MAX_NAMED else ""
        raise UserError(f"{path}: not the weights of {type(network).__name__}: {', '.join(problems[:MAX_NAMED])}{more}")
    network.load_state_dict({key: value.float() for key, value in weights.items()}, assign=True)
    return network.requires_grad_(False).eval()
