"""Functions of one 8-bit element: the pass ``unary_to_lookup`` turns every one into a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Op, RowRule, Swapped, TensorType, elementwise_rule
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _quant
from ascmcu.ops._fixed import round_float32

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Unary(Op):
    """Base: shape kept, one data input, evaluated element by element by ``function``."""

    LOWERED = True

    @classmethod
    def build(cls, ctx: ImportContext) -> Unary:
        """The op with its attributes from the operator's options."""
        return cls()

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.inputs[0], ctx.outputs[0]
        if x is None:
            raise ctx.error("input is missing")
        _quant.require_quantized(ctx, x, output)
        ctx.emit(cls.build(ctx), (x,), output)

    def function(self, x: Array, source: Tensor, output: Tensor) -> Array:
        """Elements of ``x`` (raw integers) mapped to the output's raw integers."""
        raise NotImplementedError

    def output_dtype(self, x: Tensor) -> DType:
        """Element type of the output."""
        return x.dtype

    def infer(self, inputs: Inputs) -> TensorType:
        """The input's shape."""
        x = inputs[0]
        assert x is not None
        return TensorType(x.shape, self.output_dtype(x))

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Element by element."""
        x = arrays[0]
        assert x is not None and inputs[0] is not None
        return self.function(x, inputs[0], output).astype(output.dtype.numpy)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """Element by element: nothing changes."""
        return Swapped(self)

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row."""
        return elementwise_rule(inputs, output)


def through_float32(
    x: Array, source: Tensor, output: Tensor, function: Callable[[Float32], Float32]
) -> Array:
    """What LiteRT fills its 8-bit tables with (``LUTPopulate``): dequantized, transformed and rescaled in float32."""
    real = np.float32(source.scale) * (x.astype(np.int32) - source.zero_point).astype(np.float32)
    rescaled = round_float32(function(real) * (np.float32(1) / np.float32(output.scale)))
    low, high = output.dtype.integer_range
    return np.clip(rescaled.astype(np.int64) + output.zero_point, low, high)
