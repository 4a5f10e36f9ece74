"""Released checkpoints of the visual networks, in all the wrappings they come in, read without running their code."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from feature_extraction.torch_checkpoint import load_weights, read_checkpoint
from toolkit.utils.errors import UserError

Network = TypeVar("Network", bound=nn.Module)
WRAPPERS = ("state_dict", "model", "module")  # entries that hold the weights, beside epochs and optimizers
PREFIXES = ("module.", "backbone.", "encoder.")  # put before every name by what wrapped the network in training
COUNTER = ".num_batches_tracked"  # of batch norm: unused, and missing in files older than torch 0.4.1


class Inert:
    """Stands for a class that a checkpoint mentions beside its weights: takes the data, has no code."""


def load_network(
    build: Callable[[], Network],
    path: Path,
    unused: Sequence[str] = (),
    check: Callable[[Mapping[str, Any]], None] | None = None,
) -> Network:
    """The network that `build` makes with the weights of `path`, float32, on the CPU, in eval mode.

    Args:
        unused: entries that start with one of these are left out, whatever they are (classifiers, decoders).
        check: is given all that the file holds, and raises what is wrong with it beside its weights.

    Raises:
        UserError: the file cannot be read, or holds another network (names the first mismatching keys).
    """
    with torch.device("meta"):  # weights that are overwritten need not be drawn
        network = build()
    content = read_checkpoint(path, _harmless_types())
    if check is not None:
        check(content)
    try:
        weights = plain_weights(content, unused)
    except RecursionError as error:
        raise UserError(f"{path}: not a checkpoint of weights: {error}; download it again") from error
    for key, value in network.state_dict().items():
        if key.endswith(COUNTER):
            weights.setdefault(key, torch.zeros(value.shape))
    return load_weights(network, weights, path)


def plain_weights(content: Mapping[str, Any], unused: Sequence[str] = ()) -> dict[str, Any]:
    """The weights in a checkpoint's `content` under the network's own names.

    Nested entries are opened, prefixes that stand before all the names that count are taken off.

    Raises:
        RecursionError: an entry that would be opened holds itself.
    """
    opened: list[Mapping[str, Any]] = []
    while True:
        opened.append(content)
        inner = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        if any(inner is outer for outer in opened):
            raise RecursionError("one of its entries holds itself")
        content = inner
    weights = {key: value for key, value in content.items() if isinstance(key, str)}
    while True:
        weights = {key: value for key, value in weights.items() if not key.startswith(tuple(unused))}
        prefix = next((p for p in PREFIXES if weights and all(key.startswith(p) for key in weights)), None)
        if prefix is None:
            return weights
        weights = {key.removeprefix(prefix): value for key, value in weights.items()}


def _harmless_types() -> list[Any]:
    """What the released files hold beside tensors: numbers of numpy, arguments, a record of the training's losses."""
    numpy_types = [np.ndarray, np.dtype, *{type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "bool")}]
    rebuild_array, rebuild_scalar = np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]
    named = [
        (function, f"numpy.{core}.multiarray.{name}")
        for core in ("core", "_core")  # numpy 1 and 2
        for function, name in ((rebuild_array, "_reconstruct"), (rebuild_scalar, "scalar"))
    ]
    return [*numpy_types, *named, argparse.Namespace, (Inert, "__main__.RecorderMeter")]
