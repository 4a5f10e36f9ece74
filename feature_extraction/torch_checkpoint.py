"""Torch checkpoints of plain networks: read without running code, checked key by key against the network."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from toolkit.utils.errors import UserError

Network = TypeVar("Network", bound=nn.Module)
MAX_NAMED = 3  # keys named in a message
_LONGEST = 300  # characters of torch's own words in a message
_CODE = re.compile(
    r"\bGLOBAL ([\w.]+)"
)  # torch: "Unsupported global: GLOBAL x.Y", "unsupported GLOBAL x.y whose module"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_ADVICE = re.compile(  # torch's, how to run the code in a file all the same; and what every such message begins with
    r"Weights only load failed\.|In PyTorch 2\.6, we changed.*?trusted source\."
    r"|This file can still be loaded.*?error message\."
    r"|Please (use|file an issue).*?(?=WeightsUnpickler error:|Check the documentation|$)|Check the documentation.*"
    r"|WeightsUnpickler error:"
)


def read_checkpoint(path: Path, allowed: Sequence[Any] = ()) -> dict[str, Any]:
    """The dict that a checkpoint file holds, tensors on the CPU; only tensors, plain values and `allowed` types.

    Raises:
        UserError: missing, unreadable, not a dict, or it holds something else (which could run code).
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist")
    try:
        with torch.serialization.safe_globals(list(allowed)), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a program in place of weights: it is refused right here
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        if fault := code_fault(error):
            raise UserError(f"{path}: {fault}") from error
        reason = f"{path.stat().st_size} bytes; {plain_reason(error)[:_LONGEST]}".removesuffix("; ")
        raise UserError(f"{path}: not a readable torch checkpoint of weights ({reason}); download it again") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a {type(content).__name__}, not a dict of weights")
    return content


def code_fault(error: BaseException) -> str:
    """What to say of a file that torch refused because it holds more than plain values; "" for another error.

    Args:
        error: torch's, or one that was raised while it was handled.
    """
    seen: BaseException | None = error
    while seen is not None:
        if found := _CODE.search(str(seen)):
            return (
                f"holds {found[1]}, which could run code; not opened: a file of plain weights (a state dict) is needed"
            )
        if "TorchScript archive" in str(seen):
            return (
                "is a TorchScript program, which is code; not opened: a file of plain weights (a state dict) is needed"
            )
        seen = seen.__cause__ or seen.__context__
    return ""


def plain_reason(error: BaseException) -> str:
    """An error's text on one line, without torch's colours and its advice to run what a file holds."""
    text = " ".join(_COLOURS.sub("", str(error)).split())
    return " ".join(_ADVICE.sub("", text).split())


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
