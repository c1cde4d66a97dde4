# SPDX-License-Identifier: Apache-2.0
"""Base of broadcasting two-operand ops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import (
    Inputs,
    Op,
    RowMode,
    RowReads,
    RowRule,
    Swapped,
    TensorType,
    present,
    swap_constants,
    whole_rule,
)
from ascmcu.ir.types import Tensor
from ascmcu.ops import _quant
from ascmcu.ops.reshape import Reshape


def import_operands(ctx: ImportContext, *, wide: bool = False) -> tuple[Tensor, Tensor]:
    """Both operands with the output's rank, reshaped where theirs is lower; ``wide`` says that they may be int16."""
    output = ctx.outputs[0]
    _quant.require_quantized(ctx, *ctx.inputs[:2], wide=wide)
    operands = ranked_operands(ctx)
    _quant.require_quantized(ctx, output, wide=wide)
    for tensor in operands:
        if tensor.dtype is not output.dtype:
            raise ctx.error(
                "operands and output must have one element type", tensor,
                expected=output.dtype.name.lower(), found=tensor.dtype.name.lower(),
            )  # fmt: skip
    return operands


def ranked_operands(ctx: ImportContext) -> tuple[Tensor, Tensor]:
    """Both operands with the output's rank, of any type."""
    a, b = (*ctx.inputs, None)[:2]
    return ranked(ctx, a), ranked(ctx, b)


def ranked(ctx: ImportContext, operand: Tensor | None) -> Tensor:
    """The operand with the output's rank, reshaped where its own is lower."""
    if operand is None:
        raise ctx.error("both operands are needed")
    missing = len(ctx.outputs[0].shape) - len(operand.shape)
    if missing <= 0:
        return operand
    shape = (1,) * missing + operand.shape
    if operand.data is not None:
        return ctx.constant(f"{operand.name}.expanded", operand.data.reshape(shape), operand)
    expanded = ctx.temporary(operand, shape, f"{operand.name}.expanded")
    ctx.emit(Reshape(shape), (operand,), expanded)
    return expanded


@dataclass(frozen=True)
class Broadcasting(Op):
    """Base: an op of two operands, a and b, that broadcast as NumPy's do."""

    ELEMENTWISE = True

    def infer(self, inputs: Inputs) -> TensorType:
        """The broadcast shape.

        Raises:
            ModelError: the shapes do not broadcast.
        """
        a, b = present(inputs)
        try:
            shape = np.broadcast_shapes(a.shape, b.shape)
        except ValueError as error:
            raise _quant.incompatible("operands do not broadcast", a.shape, b.shape) from error
        return TensorType(tuple(int(d) for d in shape), a.dtype)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """The same op on exchanged constants."""
        return Swapped(self, swap_constants(inputs))

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Output row s reads row s of each operand, or all rows of one that is broadcast along the row axis."""
        reads: list[RowReads | None] = []
        for t in inputs:
            if t is None or t.is_const:
                reads.append(None)
            elif not output.has_row_axis:
                reads.append(RowReads(0, 0, t.rows))
            elif not t.has_row_axis:
                return whole_rule(inputs)
            else:
                reads.append(RowReads(1, 0, 1) if t.rows == output.rows else RowReads(0, 0, 1))
        return RowRule(RowMode.MAP, output.rows, tuple(reads))
