# SPDX-License-Identifier: Apache-2.0
"""CUMSUM: running sums along one axis."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Op, RowMode, RowReads, RowRule, Swapped, TensorType, present, whole_rule
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor


@register("CUMSUM")
@dataclass(frozen=True)
class Cumsum(Op):
    """y[i] = x[0] + … + x[i] along ``axis``, one after the other; ``exclusive`` leaves x[i] out, ``reverse`` begins at
    the other end (tflite cumsum.cc)."""

    KIND = "cumsum"
    axis: int
    exclusive: bool
    reverse: bool

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.needed(0), ctx.outputs[0]
        ctx.require_dtype(x, DType.FLOAT32, DType.INT32, DType.INT64)
        axis = int(ctx.const(1).reshape(-1)[0])
        axis += len(x.shape) if axis < 0 else 0
        if not 0 <= axis < len(x.shape):
            raise ctx.error(
                "axis is out of range", x, expected=f"-{len(x.shape)} … {len(x.shape) - 1}", found=axis
            )
        exclusive, reverse = (bool(ctx.option(name, False)) for name in ("Exclusive", "Reverse"))
        ctx.emit(cls(axis, exclusive, reverse), (x,), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """The input's."""
        (x,) = present(inputs)
        return TensorType(x.shape, x.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """In the type's own precision."""
        (x,) = present(arrays)
        ordered = np.flip(x, self.axis) if self.reverse else x
        with np.errstate(over="ignore"):
            sums = np.cumsum(ordered, axis=self.axis, dtype=x.dtype)
        if self.exclusive:
            sums = np.roll(sums, 1, self.axis)
            sums[(slice(None),) * self.axis + (0,)] = 0
        return np.ascontiguousarray(np.flip(sums, self.axis) if self.reverse else sums)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """The axis follows."""
        (x,) = present(inputs)
        axis = {1: 2, 2: 1}.get(self.axis, self.axis) if len(x.shape) == 4 else self.axis
        return Swapped(dataclasses.replace(self, axis=axis))

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row where no sum runs over rows."""
        (x,) = present(inputs)
        if x.has_row_axis and self.axis > 1:
            return RowRule(RowMode.MAP, output.rows, (RowReads(1, 0, 1),))
        return whole_rule(inputs)
