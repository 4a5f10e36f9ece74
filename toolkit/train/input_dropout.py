"""Gathering a batch and dropping its inputs in one pass over memory (CPU).

Most of a network's dropout sits on its inputs, the widest tensors of a step. Gather, random bits, mask and product as
separate tensor operations move those tensors through memory six times; here a compiled loop does it once. It is used
for an input whose only way into the model is one dropout site (`only_sites` finds out by gradients).

Random bits are a counter-based hash (splitmix64: Steele, Lea & Flood, OOPSLA 2014) of (member's seed, step, input,
position): a member's masks depend neither on threads nor on the other members. 16 bits decide an entry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numba import njit, prange
from torch import nn
from torch.func import functional_call

from toolkit.data.dataset import ResidentBatches
from toolkit.models.dropout import Dropout
from toolkit.utils.loss import training_loss

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)


@njit(inline="always")
def _hash(counter: Any) -> Any:
    z = counter * _GAMMA
    z = (z ^ (z >> np.uint64(30))) * _MIX1
    z = (z ^ (z >> np.uint64(27))) * _MIX2
    return z ^ (z >> np.uint64(31))


@njit(parallel=True, cache=True)
def _gather_dropped(data: Any, index: Any, keys: Any, thresholds: Any, scales: Any, out: Any) -> None:
    """``out[m, b] = data[index[m, b]]`` with entries dropped: the four lanes of a hash serve four quarters of a row."""
    members, rows = index.shape
    width = data.shape[1]
    quarter = (width + 3) // 4
    for flat in prange(members * rows):
        member, row = flat // rows, flat % rows
        source, target = data[index[member, row]], out[member, row]
        threshold, scale = thresholds[member], scales[member]
        first = keys[member] + np.uint64(row * quarter)
        for lane in range(4):
            start = lane * quarter
            shift = np.uint64(16 * lane)
            for position in range(min(quarter, width - start)):
                bits = (_hash(first + np.uint64(position)) >> shift) & np.uint64(0xFFFF)
                target[start + position] = source[start + position] * (scale if bits >= threshold else np.float32(0))


class DroppedInputs:
    """Batches whose eligible inputs are dropped already.

    Attributes:
        sites: input key -> the dropout site that this replaces (the model template must skip it).
    """

    def __init__(self, models: Sequence[nn.Module], data: ResidentBatches, seeds: Sequence[int]) -> None:
        self.data = data
        self.sites = only_sites(models[0], data) if data.device.type == "cpu" else {}
        self.seeds = np.array(seeds, dtype=np.uint64)
        self.step = 0
        self._buffers: dict[tuple[str, int], torch.Tensor] = {}
        self._rates = {
            key: np.array([model.get_submodule(site).p for model in models]) for key, site in self.sites.items()
        }

    def batch(self, index: torch.Tensor) -> dict[str, torch.Tensor]:
        """The samples `index` ``(M, B)`` as a batch dict with a member dimension; every call is a new step.

        Dropped inputs are valid until the next call.
        """
        plain = [key for key in self.data.keys if key not in self.sites or not self._rates[key].any()]
        batch = self.data.gather(index, plain)
        for number, key in enumerate(self.data.keys):
            if key not in batch:
                batch[key] = self._dropped(key, number, index)
        self.step += 1
        return batch

    def _dropped(self, key: str, number: int, index: torch.Tensor) -> torch.Tensor:
        rows = self.data.arrays[self.data.array_of[number]]
        rates = self._rates[key]
        with np.errstate(over="ignore"):
            place = np.uint64(self.step * len(self.data.keys) + number) * np.uint64(2**40)
            keys = self.seeds * _MIX2 + place
        out = self._buffers.get((key, len(index[0])))
        if out is None:  # kept for the next step: fresh memory would cost as much as filling it
            out = self._buffers[key, len(index[0])] = torch.empty(*index.shape, rows.shape[1])
        _gather_dropped(
            rows.numpy(),
            index.numpy(),
            keys,
            np.round(rates * 65536).astype(np.uint64),
            (1 / (1 - rates)).astype(np.float32),
            out.numpy(),
        )
        return out


def only_sites(model: nn.Module, data: ResidentBatches) -> dict[str, str]:
    """Inputs whose only way into `model` is one dropout site: input key -> site.

    Found on two samples: which site is given the input itself, and whether anything still depends on the input when
    that site passes nothing.
    """
    was_training, seen = model.training, {}
    batch = data.gather(torch.arange(min(2, len(data))))
    batch = {key: value.clone().requires_grad_(key in data.keys) for key, value in batch.items()}
    hooks = [
        module.register_forward_pre_hook(lambda module, inputs, site=site: seen.setdefault(site, []).append(inputs[0]))
        for site, module in model.named_modules()
        if isinstance(module, Dropout)
    ]
    try:
        model.eval()
        model(batch)
    finally:
        for hook in hooks:
            hook.remove()
    found = {}
    for key in data.keys:
        sites = [site for site, inputs in seen.items() if len(inputs) == 1 and inputs[0] is batch[key]]
        if len(sites) == 1 and batch[key].dtype == torch.float32 and not _reaches(model, batch, key, sites[0]):
            found[key] = sites[0]
    model.train(was_training)
    return found


def _reaches(model: nn.Module, batch: Mapping[str, torch.Tensor], key: str, site: str) -> bool:
    """Whether outputs or loss depend on the input `key` when the dropout `site` passes nothing."""
    nothing = {f"{site}.mask": torch.zeros_like(batch[key])}
    output = functional_call(model, nothing, (dict(batch),))
    loss = training_loss(output.emos, output.vals, output.interloss, dict(batch))
    total = loss + output.features.sum() + output.emos.sum() + output.vals.sum()
    (gradient,) = torch.autograd.grad(total, batch[key], allow_unused=True)
    return gradient is not None and bool(gradient.any())
