# SPDX-License-Identifier: Apache-2.0
"""REDUCE_MAX and REDUCE_MIN over any axes; REDUCE_ANY and REDUCE_ALL, which are the same of booleans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.ranges import Range
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _quant, _reduce


@register("REDUCE_MAX", "REDUCE_MIN", "REDUCE_ANY", "REDUCE_ALL")
@dataclass(frozen=True)
class ReduceMax(_reduce.Reduction):
    """The largest raw integer over ``axes``, or the smallest (tflite reference_ops::ReduceGeneric)."""

    KIND = "reduce_max"
    smallest: bool

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the reduction; input and output must share their quantization."""
        x, axes, keep_dims = _reduce.import_reduction(ctx, _require)
        _quant.require_same(ctx, x, "the maximum")
        ctx.emit(cls(axes, keep_dims, ctx.builtin in ("REDUCE_MIN", "REDUCE_ALL")), (x,), ctx.outputs[0])

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        x = present(arrays)[0]
        found: Array = x.min(axis=self.axes) if self.smallest else x.max(axis=self.axes)
        return found.reshape(output.shape)

    def channel_range(self, ranges: Sequence[Range | None], inputs: Inputs, output: Tensor) -> Range | None:
        """The reduction is monotone: its values on constant maps bound it."""
        return _reduce.monotone_range(self, ranges[0], inputs, output)

    def is_identity(self, x: Tensor, output: Tensor) -> bool:
        """Where the shape stays, maxima are of one element each."""
        return True


def _require(ctx: ImportContext, *tensors: Tensor) -> None:
    """Booleans for REDUCE_ANY and REDUCE_ALL; for the others plain integers, or quantized ones."""
    for tensor in tensors:
        if ctx.builtin in ("REDUCE_ANY", "REDUCE_ALL"):
            ctx.require_dtype(tensor, DType.BOOL)
        elif tensor.dtype not in (DType.INT32, DType.INT64):
            _quant.require_quantized(ctx, tensor, wide=True)
