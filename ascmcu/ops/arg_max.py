# SPDX-License-Identifier: Apache-2.0
"""ARG_MAX and ARG_MIN: the place of the extreme along one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Op, RowMode, RowReads, RowRule, TensorType, present, whole_rule
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor


@register("ARG_MAX", "ARG_MIN")
@dataclass(frozen=True)
class ArgMax(Op):
    """The first place of the largest raw value along ``axis``, or of the ``smallest``, as int32 or int64
    (tflite arg_min_max.cc)."""

    KIND = "arg_max"
    axis: int
    smallest: bool
    dtype: str

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.needed(0), ctx.outputs[0]
        ctx.require_dtype(x, DType.FLOAT32, DType.INT8, DType.UINT8, DType.INT32, DType.BOOL)
        ctx.require_dtype(output, DType.INT32, DType.INT64)
        axis = int(ctx.const(1).reshape(-1)[0])
        axis += len(x.shape) if axis < 0 else 0
        if not 0 <= axis < len(x.shape):
            raise ctx.error(
                "axis is out of range", x, expected=f"-{len(x.shape)} … {len(x.shape) - 1}", found=axis
            )
        ctx.emit(cls(axis, ctx.builtin == "ARG_MIN", output.dtype.value), (x,), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """The input's shape without the axis."""
        (x,) = present(inputs)
        return TensorType(x.shape[: self.axis] + x.shape[self.axis + 1 :], DType(self.dtype))

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """The first of equal ones."""
        (x,) = present(arrays)
        found = np.argmin(x, axis=self.axis) if self.smallest else np.argmax(x, axis=self.axis)
        return np.asarray(found, output.dtype.numpy)

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row where rows stay."""
        (x,) = present(inputs)
        if x.has_row_axis and output.has_row_axis and self.axis > 1:
            return RowRule(RowMode.MAP, output.rows, (RowReads(1, 0, 1),))
        return whole_rule(inputs)
