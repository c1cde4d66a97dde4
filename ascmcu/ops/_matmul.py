# SPDX-License-Identifier: Apache-2.0
"""Base of matrix products of two computed operands, of any number type: operands, shapes, row rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Op, RowMode, RowReads, RowRule, Swapped, TensorType, present, whole_rule
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _broadcast, _quant
from ascmcu.ops.transpose import Transpose


@dataclass(frozen=True)
class Matmul(Op):
    """Base: y[…, m, n] from the vectors a[…, m, :] and b[…, n, :]; leading axes broadcast as NumPy's do."""

    FAMILY = "dense"

    def infer(self, inputs: Inputs) -> TensorType:
        """(…, M, N).

        Raises:
            ModelError: the vectors differ in length, or the leading axes do not broadcast.
        """
        a, b = present(inputs)
        if a.shape[-1] != b.shape[-1]:
            raise _quant.incompatible("the operands' vectors differ in length", a.shape, b.shape)
        try:
            leading = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        except ValueError as error:
            raise _quant.incompatible("operands do not broadcast", a.shape, b.shape) from error
        return TensorType((*(int(d) for d in leading), a.shape[-2], b.shape[-2]), a.dtype)

    def macs(self, inputs: Inputs, output: Tensor) -> int:
        """One per output element and element of a vector."""
        return output.elements * present(inputs)[0].shape[-1]

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped | None:
        """Only where there is no map."""
        return Swapped(self) if len(output.shape) != 4 else None

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """A row is a vector of a matrix, or a matrix of several: of b it takes all rows, or the same row."""
        a, b = present(inputs)
        if not output.has_row_axis:
            return whole_rule(inputs)
        if len(output.shape) == 3:
            reads: list[RowReads | None] = [RowReads(1, 0, 1), RowReads(0, 0, b.rows)]
        else:
            reads = [RowReads(1, 0, 1) if t.rows == output.rows else RowReads(0, 0, 1) for t in (a, b)]
        return RowRule(
            RowMode.MAP,
            output.rows,
            tuple(None if t.is_const else r for t, r in zip((a, b), reads, strict=True)),
        )


def import_operands(ctx: ImportContext, operands: Sequence[Tensor | None]) -> tuple[Tensor, Tensor]:
    """Both operands with the output's rank, their vectors along the last axis."""
    ranked = [_broadcast.ranked(ctx, tensor) for tensor in operands]
    across = (bool(ctx.option("AdjX", False)), not ctx.option("AdjY", False))
    a, b = (_turned(ctx, t) if turn else t for t, turn in zip(ranked, across, strict=True))
    return a, b


def _turned(ctx: ImportContext, tensor: Tensor) -> Tensor:
    """The last two axes exchanged."""
    rank = len(tensor.shape)
    permutation = (*range(rank - 2), rank - 1, rank - 2)
    if tensor.data is not None:
        turned = np.ascontiguousarray(tensor.data.transpose(permutation))
        return ctx.constant(f"{tensor.name}.turned", turned, tensor)
    shape = tuple(tensor.shape[p] for p in permutation)
    turned_tensor = ctx.temporary(tensor, shape, f"{tensor.name}.turned")
    ctx.emit(Transpose(permutation), (tensor,), turned_tensor)
    return turned_tensor


def products(a: Array, b: Array) -> Array:
    """Sums over the last axes: (…, M, N)."""
    return np.asarray(np.matmul(a, np.swapaxes(b, -1, -2)))
