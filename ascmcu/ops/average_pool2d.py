"""AVERAGE_POOL_2D."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Lowered, Op, RowRule, Swapped, TensorType
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _pool, _window


@register("AVERAGE_POOL_2D")
@dataclass(frozen=True)
class AveragePool2D(_pool.PoolAttributes, Op):
    """The mean of the elements under each window, halves rounded away from zero; padding does not count
    (tflite reference_integer_ops::AveragePool)."""

    KIND = "average_pool2d"

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the pooling."""
        a, x = _pool.import_attributes(ctx)
        ctx.emit(cls(a.kernel, a.stride, a.padding, a.clamp), (x,), ctx.outputs[0])

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, C)."""
        return _pool.infer(self, inputs)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Sum and count of the valid elements, then the rounded quotient."""
        x = arrays[0]
        assert x is not None
        geometry = (self.kernel, self.stride, (1, 1), self.padding)
        total = _window.windows(x.astype(np.int64), *geometry).sum(axis=(4, 5))
        count = _window.windows(np.ones((1, *x.shape[1:3], 1), np.int64), *geometry).sum(axis=(4, 5))
        magnitude = (np.abs(total) + count // 2) // count
        mean: Array = np.clip(np.sign(total) * magnitude, *self.clamp)
        return mean.astype(output.dtype.numpy)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """Attributes exchanged."""
        padding = _window.swap_padding(self.padding)
        return Swapped(type(self)(self.kernel[::-1], self.stride[::-1], padding, self.clamp))

    def _accumulates(self, inputs: Inputs, output: Tensor) -> bool:
        return _pool.accumulates(self, inputs, output, state_bytes=4 * output.row_elements)

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """One row after the other into sums where that is smaller than keeping the rows."""
        return _pool.row_rule(self, output, accumulate=self._accumulates(inputs, output))

    def lower(self, inputs: Inputs, output: Tensor) -> Lowered:
        """No constants; sums are int32."""
        accumulate = self._accumulates(inputs, output)
        state = (DType.INT32, output.row_elements) if accumulate else None
        return Lowered(_pool.lower(self, inputs, output, accumulate=accumulate), state=state)
