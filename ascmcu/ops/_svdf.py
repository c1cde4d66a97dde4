# SPDX-License-Identifier: Apache-2.0
"""Operands of SVDF, of any number type."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.types import Tensor


@dataclass(frozen=True)
class Operands:
    """Input (1, depth), weights over the input (filters, depth) and over time (filters, memory), bias (units) or None,
    the variable (1, filters × memory), and how many filters make a unit."""

    x: Tensor
    weights: Tensor
    time: Tensor
    bias: Tensor | None
    state: Tensor
    rank: int

    @property
    def filters(self) -> int:
        """Filters over the input."""
        return self.weights.shape[0]

    @property
    def units(self) -> int:
        """Outputs."""
        return self.filters // self.rank


def import_operands(ctx: ImportContext) -> Operands:
    """The operator's inputs.

    Raises:
        ModelError: one is missing, computed, or of another shape.
    """
    if len(ctx.inputs) != 5:
        raise ctx.error("SVDF has five inputs", expected=5, found=len(ctx.inputs))
    x, weights, time, state = (ctx.needed(i) for i in (0, 1, 2, 4))
    bias, rank = ctx.inputs[3], int(ctx.option("Rank", 1))
    for tensor in (weights, time, *(() if bias is None else (bias,))):
        if not tensor.is_const:
            raise ctx.error("weights must be constant", tensor)
    if len(weights.shape) != 2 or len(time.shape) != 2 or len(x.shape) != 2 or x.shape[0] != 1:
        raise ctx.error("SVDF takes one vector at a time", x, expected="1 × depth", found=list(x.shape))
    filters = weights.shape[0]
    expected = {
        "weights over the input": (weights, (filters, x.shape[1])),
        "weights over time": (time, (filters, time.shape[1])),
        "state": (state, (1, filters * time.shape[1])),
    }
    for what, (tensor, shape) in expected.items():
        if tensor.shape != shape:
            raise ctx.error(
                f"the {what} of SVDF has another shape", tensor, expected=shape, found=tensor.shape
            )
    if rank < 1 or filters % rank or (bias is not None and bias.shape != (filters // rank,)):
        raise ctx.error(
            "rank or bias does not fit the filters",
            bias,
            expected=f"a rank that divides {filters}",
            found=rank,
        )
    return Operands(x, weights, time, bias, state, rank)
