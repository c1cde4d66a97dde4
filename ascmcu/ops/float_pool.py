# SPDX-License-Identifier: Apache-2.0
"""MAX_POOL_2D and AVERAGE_POOL_2D of float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Op, RowMode, RowRule, Swapped, TensorType, present
from ascmcu.ir.registry import register_float
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _float, _window
from ascmcu.ops._activation import import_activation


@register_float("MAX_POOL_2D", "AVERAGE_POOL_2D")
@dataclass(frozen=True)
class FloatPool(Op):
    """The largest or the mean element under each window; padding takes no part."""

    KIND = "float_pool"
    FAMILY = "pool"
    maximum: bool
    kernel: _window.Pair
    stride: _window.Pair
    padding: _window.Padding
    activation: str

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the pooling."""
        x, kernel, stride, padding = _window.import_pool(ctx)
        output = ctx.outputs[0]
        _float.require_float(ctx, x, output)
        maximum = ctx.builtin == "MAX_POOL_2D"
        ctx.emit(cls(maximum, kernel, stride, padding, import_activation(ctx)), (x,), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, C)."""
        x = present(inputs)[0]
        size = _window.output_size(x.shape[1:3], self.kernel, self.stride, (1, 1), self.padding)
        return TensorType((x.shape[0], *size, x.shape[3]), DType.FLOAT32)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Means are summed in float64."""
        x = present(arrays)[0]
        arguments = (self.kernel, self.stride, (1, 1), self.padding)
        if self.maximum:
            pooled = _window.windows(x, *arguments, float("-inf")).max(axis=(4, 5))
        else:
            count = _window.windows(np.ones_like(x, np.float64), *arguments).sum(axis=(4, 5))
            pooled = _window.windows(x.astype(np.float64), *arguments).sum(axis=(4, 5)) / count
        return _float.activated(pooled, self.activation).astype(np.float32)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """Attributes exchanged."""
        padding = _window.swap_padding(self.padding)
        return Swapped(
            type(self)(self.maximum, self.kernel[::-1], self.stride[::-1], padding, self.activation)
        )

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Window-height rows per output row."""
        reads = _window.window_reads(self.kernel[0], self.stride[0], 1, self.padding[0])
        return RowRule(RowMode.MAP, output.rows, (reads,))
