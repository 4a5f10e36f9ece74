"""A stack of models of one shape: parameters with a leading member dimension, per-member dropout, one Adam."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from toolkit.models.dropout import Dropout
from toolkit.models.linear import GradientSlot, Linear
from toolkit.utils.loss import training_loss

Batch = Mapping[str, torch.Tensor]


class ModelStack:
    """M models of the same class and shapes, computed together.

    Attributes:
        params: name -> ``(M, ...)`` leaf tensors.
        buffers: the same for what is not learned (weights of a model's own losses).
        slots: where weights of linear layers get (a part of) their gradient, beside ``.grad``.
    """

    def __init__(self, models: Sequence[nn.Module], device: torch.device, skipped: Iterable[str] = ()) -> None:
        """`skipped`: dropout sites that pass their input on, because it is dropped already."""
        params, buffers = stack_module_state(list(models))
        self.params = {name: value.detach().to(device).requires_grad_() for name, value in params.items()}
        self.buffers = {name: value.to(device) for name, value in buffers.items()}
        self.base = models[0].to(device)
        for site in skipped:
            self.base.set_submodule(site, nn.Identity())
        self.members = len(models)
        self.slots = {
            f"{name}.weight": GradientSlot(self.params[f"{name}.weight"].detach())
            for name, module in self.base.named_modules()
            if isinstance(module, Linear)
        }
        for name, slot in self.slots.items():
            self.base.get_submodule(name.removesuffix(".weight")).slot = slot

    def take_gradients(self) -> list[torch.Tensor | None]:
        """The gradients of `params`, in order, of the backward pass just done; None for what it did not reach."""
        gradients = []
        for name, param in self.params.items():
            gradient, param.grad = param.grad, None
            collected = self.slots[name].take() if name in self.slots else None
            if collected is not None and gradient is not None:  # used as a matrix and in another way, too
                collected = collected + gradient
            gradients.append(gradient if collected is None else collected)
        return gradients

    def losses(self, batch: Batch, masks: Batch) -> torch.Tensor:
        """Training loss per member ``(M,)``; entries of `batch` and `masks` have a leading member dimension."""
        self.base.train()

        def one(params: Batch, state: Batch, batch: Batch) -> torch.Tensor:
            output = functional_call(self.base, {**params, **state}, (batch,))
            return training_loss(output.emos, output.vals, output.interloss, batch)

        return vmap(one)(self.params, {**self.buffers, **masks}, dict(batch))

    @torch.no_grad()
    def outputs(self, batch: Batch, shared: bool, params: Batch | None = None) -> list[torch.Tensor]:
        """In eval mode: logits, valences, attention weights (width 0 if none) ``(M, B, ...)`` and the loss ``(M,)``.

        `shared`: all members see the same batch, whose entries then have no member dimension.
        """
        self.base.eval()

        def one(params: Batch, state: Batch, batch: Batch) -> list[torch.Tensor]:
            output = functional_call(self.base, {**params, **state}, (batch,))
            attention = output.emos.new_zeros(len(output.emos), 0) if output.attention is None else output.attention
            loss = training_loss(output.emos, output.vals, output.interloss, batch)
            return [output.emos, output.vals, attention, loss]

        in_dims = (0, 0, None if shared else 0)
        return vmap(one, in_dims=in_dims)(params or self.params, self.buffers, dict(batch))


class StackedAdam:
    """Adam with a learning rate and a clipping value per member: torch's fused Adam on slices of equal rate.

    Members must be ordered so that equal learning rates stand together.
    """

    def __init__(self, stack: ModelStack, rates: Sequence[float], l2: float, clips: Sequence[float]) -> None:
        self.stack = stack
        params = list(stack.params.values())
        self.slices: list[tuple[slice, list[torch.Tensor]]] = []
        groups, start = [], 0
        for stop in range(1, len(rates) + 1):
            if stop == len(rates) or rates[stop] != rates[start]:
                part = slice(start, stop)
                views = [param.detach()[part] for param in params]
                self.slices.append((part, views))
                groups.append({"params": views, "lr": rates[start]})
                start = stop
        self.optimiser = torch.optim.Adam(groups, weight_decay=l2, fused=True)
        bounds = torch.tensor([float("inf") if clip == -1 else clip for clip in clips])
        self.bounds = None if bounds.isinf().all() else bounds.to(params[0].device)

    def step(self) -> None:
        """Update all members from the gradients of the backward pass just done."""
        gradients = self.stack.take_gradients()  # None: not reached by the loss; as in the loop, no update
        if self.bounds is not None:
            for gradient in gradients:
                if gradient is not None:
                    bound = self.bounds.view(-1, *[1] * (gradient.dim() - 1))
                    gradient.clamp_(-bound, bound)
        for part, views in self.slices:
            for view, gradient in zip(views, gradients, strict=True):
                view.grad = None if gradient is None else gradient[part]
        self.optimiser.step()


class StackedMasks:
    """Dropout masks of a stack: each member has its own probability per site and its own random stream.

    A mask entry is kept when 16 random bits reach ``p * 65536``, so p is exact to 1.5e-5. Sites `without` get
    none. A member's stream depends on its own seed only, not on the other members of the stack.
    """

    def __init__(
        self, models: Sequence[nn.Module], seeds: Sequence[int], device: torch.device, without: Iterable[str] = ()
    ) -> None:
        excluded = set(without)
        modules = models[0].named_modules()
        sites = [name for name, module in modules if isinstance(module, Dropout) and name not in excluded]
        rates = {site: torch.tensor([model.get_submodule(site).p for model in models]) for site in sites}
        self.rates = {site: rate for site, rate in rates.items() if rate.any()}
        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self.device = device
        self._shapes: dict[str, torch.Size] | None = None

    def draw(self, stack: ModelStack, batch: Batch) -> dict[str, torch.Tensor]:
        """Masks for one batch: buffer name -> ``(M, *site shape)``, 0 or 1 / (1 - p)."""
        if not self.rates:
            return {}
        size = len(next(iter(batch.values()))[0])
        shapes = {site: (size, *shape[1:]) for site, shape in self._site_shapes(stack, batch).items()}
        counts = {site: torch.Size(shape).numel() for site, shape in shapes.items()}
        words = (sum(counts.values()) + 3) // 4  # 4 draws of 16 bits in a word of 64
        raw = torch.empty(stack.members, words, dtype=torch.int64, device=self.device)
        for row, generator in zip(raw, self.generators, strict=True):
            row.random_(-(2**63), None, generator=generator)
        bits = raw.view(torch.int16)
        masks, start = {}, 0
        for site, rate in self.rates.items():
            part = bits[:, start : start + counts[site]]
            start += counts[site]
            threshold = (rate * 65536 - 32768).round().clamp(max=32767).to(torch.int16).to(self.device).unsqueeze(1)
            scale = (1 / (1 - rate)).to(self.device).unsqueeze(1)
            masks[f"{site}.mask"] = ((part >= threshold) * scale).view(stack.members, *shapes[site])
        return masks

    def _site_shapes(self, stack: ModelStack, batch: Batch) -> dict[str, torch.Size]:
        """Shape of the input of every site, seen by running the first member once on the first batch."""
        if self._shapes is None:
            shapes: dict[str, torch.Size] = {}
            hooks = [
                stack.base.get_submodule(site).register_forward_hook(
                    lambda module, inputs, output, site=site: shapes.__setitem__(site, inputs[0].shape)
                )
                for site in self.rates
            ]
            try:
                stack.base.eval()
                with torch.no_grad():
                    stack.base({key: value[0] for key, value in batch.items()})
            finally:
                for hook in hooks:
                    hook.remove()
            self._shapes = shapes
            self.rates = {site: rate for site, rate in self.rates.items() if site in shapes}
        return self._shapes
