"""MEAN over any axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Lowered, Op, RowRule, Swapped, TensorType
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _mean_sum, _reduce


@register("MEAN")
@dataclass(frozen=True)
class Mean(Op):
    """The requantized mean over ``axes``."""

    KIND = "mean"
    axes: tuple[int, ...]
    keep_dims: bool

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the reduction."""
        x, axes, keep_dims = _reduce.import_reduction(ctx)
        ctx.emit(cls(axes, keep_dims), (x,), ctx.outputs[0])

    def infer(self, inputs: Inputs) -> TensorType:
        """The reduced shape."""
        return _reduce.infer(inputs, self.axes, self.keep_dims)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        assert arrays[0] is not None
        return _mean_sum.evaluate(arrays[0], inputs, output, self.axes, mean=True)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped | None:
        """The axes follow."""
        axes = _reduce.swapped_axes(inputs, self.axes, self.keep_dims)
        return None if axes is None else Swapped(type(self)(axes, self.keep_dims))

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Accumulating over rows, or row by row."""
        return _reduce.row_rule(inputs, output, self.axes)

    def lower(self, inputs: Inputs, output: Tensor) -> Lowered:
        """Sums as int32."""
        return _mean_sum.lower(inputs, output, self.axes, mean=True)
