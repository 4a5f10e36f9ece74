"""A linear layer that stays fast when many models are trained as one stack.

Alone it is `torch.nn.Linear`. Under `torch.func.vmap` the weight has a member dimension, and vmap's own rule for
linear layers costs about twice the two matrix products it needs: it makes the weight's gradient in transposed layout
and copies it. Here the stacked case is one batched product forward and two backward, in the weight's own layout.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


class GradientSlot:
    """Where the gradient of one stacked weight is written, step after step.

    A fresh gradient tensor per step would cost more than the product that fills it: the memory goes back to the system
    and comes again as zeroed pages. `add` writes the first contribution of a step and adds further ones; autograd is
    told nothing of it. The optimiser takes the gradient with `take`.
    """

    def __init__(self, weight: torch.Tensor) -> None:
        self.buffer = torch.empty_like(weight)
        self.filled = False

    def add(self, left: torch.Tensor, right: torch.Tensor) -> None:
        """Add ``left @ right``, both with a leading member dimension."""
        if self.filled:
            self.buffer.baddbmm_(left, right)
        else:
            torch.bmm(left, right, out=self.buffer)
            self.filled = True

    def take(self) -> torch.Tensor | None:
        """This step's gradient, None if the weight was not used; valid until the next backward pass."""
        filled, self.filled = self.filled, False
        return self.buffer if filled else None


class _StackedLinear(torch.autograd.Function):
    """``(M, B, D), (M, H, D), (M, H)`` -> ``(M, B, H)``; the weight's gradient goes into `slot` if there is one."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, slot: GradientSlot | None
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.slot = slot
        return torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad_x = torch.bmm(grad, weight) if ctx.needs_input_grad[0] else None
        if ctx.slot is None:
            return grad_x, torch.bmm(grad.transpose(1, 2), x), grad.sum(dim=1), None
        ctx.slot.add(grad.transpose(1, 2), x)
        return grad_x, None, grad.sum(dim=1), None


class _Linear(torch.autograd.Function):
    """``(B, D), (H, D), (H,)`` -> ``(B, H)``, with its own rule for vmap."""

    @staticmethod
    def forward(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, slot: GradientSlot | None) -> torch.Tensor:
        return F.linear(x, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        ctx.save_for_backward(inputs[0], inputs[1])

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        return (grad @ weight if ctx.needs_input_grad[0] else None), grad.t() @ x, grad.sum(dim=0), None

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[int | None, ...],
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        slot: GradientSlot | None,
    ) -> tuple[torch.Tensor, int]:
        if in_dims[1] is None or in_dims[2] is None:
            raise RuntimeError("stacks of models have a weight and a bias per member")
        weight, bias = weight.movedim(in_dims[1], 0), bias.movedim(in_dims[2], 0)
        if in_dims[0] is None:  # the same input for all members: one wide product instead of many
            wide = F.linear(x, weight.flatten(0, 1), bias.flatten())  # B, M * H
            return wide.view(len(x), len(weight), -1).transpose(0, 1), 0
        return _StackedLinear.apply(x.movedim(in_dims[0], 0), weight, bias, slot), 0


class Linear(nn.Linear):
    """`torch.nn.Linear` for two-dimensional inputs ``(B, D)`` -> ``(B, H)``, fast in stacks of models.

    Attributes:
        slot: where a stack of models collects the weight's gradient; None for a model of its own.
    """

    slot: GradientSlot | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.dim() != 2:
            return super().forward(x)
        return _Linear.apply(x, self.weight, self.bias, self.slot)
