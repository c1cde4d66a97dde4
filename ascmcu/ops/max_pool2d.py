"""MAX_POOL_2D."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Lowered, Op, RowRule, Swapped, TensorType
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _pool, _window


@register("MAX_POOL_2D")
@dataclass(frozen=True)
class MaxPool2D(_pool.PoolAttributes, Op):
    """The largest element under each window (tflite reference_integer_ops::MaxPool)."""

    KIND = "max_pool2d"

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the pooling."""
        a, x = _pool.import_attributes(ctx)
        ctx.emit(cls(a.kernel, a.stride, a.padding, a.clamp), (x,), ctx.outputs[0])

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, C)."""
        return _pool.infer(self, inputs)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Padding never wins."""
        x = arrays[0]
        assert x is not None
        lowest = output.dtype.integer_range[0]
        view = _window.windows(x.astype(np.int32), self.kernel, self.stride, (1, 1), self.padding, lowest)
        largest: Array = np.clip(view.max(axis=(4, 5)), *self.clamp)
        return largest.astype(output.dtype.numpy)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """Attributes exchanged."""
        padding = _window.swap_padding(self.padding)
        return Swapped(type(self)(self.kernel[::-1], self.stride[::-1], padding, self.clamp))

    def _accumulates(self, inputs: Inputs, output: Tensor) -> bool:
        return _pool.accumulates(self, inputs, output, state_bytes=0)

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """One row after the other into the output row where windows do not overlap."""
        return _pool.row_rule(self, output, accumulate=self._accumulates(inputs, output))

    def lower(self, inputs: Inputs, output: Tensor) -> Lowered:
        """No constants; the output row holds the maxima so far."""
        return Lowered(_pool.lower(self, inputs, output, accumulate=self._accumulates(inputs, output)))
