# SPDX-License-Identifier: Apache-2.0
"""RESHAPE, SQUEEZE, EXPAND_DIMS: the same elements under another shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.graph import with_tensor
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
    swap_pair,
    whole_rule,
)
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _quant


@register("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
@dataclass(frozen=True)
class Reshape(Op):
    """y has x's elements in C order."""

    KIND = "reshape"
    MOVES_NOTHING = True
    READS_FLAT = True
    KEEPS_NUMBERS = True
    shape: tuple[int, ...]

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """The target shape is the output's; where a dynamic model states a placeholder, the operand's value."""
        x, output = ctx.needed(0), ctx.outputs[0]
        shape = output.shape
        if math.prod(shape) != x.elements and ctx.builtin == "RESHAPE" and len(ctx.inputs) > 1:
            shape = _resolved(ctx.const(1), x.elements)
        ctx.emit(cls(shape), (x,), with_tensor(output, shape=shape))

    def infer(self, inputs: Inputs) -> TensorType:
        """The target shape."""
        x = present(inputs)[0]
        if int(np.prod(self.shape)) != x.elements:
            raise _quant.incompatible("reshape changes the number of elements", x.elements, self.shape)
        return TensorType(self.shape, x.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """C-order reshape."""
        x = present(arrays)[0]
        return np.ascontiguousarray(x).reshape(self.shape)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped | None:
        """Only where the exchange moves no element on either side."""
        x = present(inputs)[0]
        if all(len(t.shape) != 4 or 1 in t.shape[1:3] for t in (x, output)):
            return Swapped(Reshape(swap_pair(self.shape)))
        return None

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row when rows stay rows."""
        x = present(inputs)[0]
        if x.rows == output.rows and x.row_elements == output.row_elements:
            return RowRule(RowMode.MAP, output.rows, (RowReads(1, 0, 1),))
        return whole_rule(inputs)


def _resolved(wanted: Array, elements: int) -> tuple[int, ...]:
    """A new_shape operand with its −1, if any, worked out."""
    extents = [int(d) for d in wanted.reshape(-1)]
    known = math.prod(d for d in extents if d != -1)
    return tuple(elements // max(known, 1) if d == -1 else d for d in extents)
