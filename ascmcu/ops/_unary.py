# SPDX-License-Identifier: Apache-2.0
"""Functions of one 8-bit element: the pass ``unary_to_lookup`` turns every one into a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _quant, _scales
from ascmcu.ops._elementwise import Elementwise
from ascmcu.ops._fixed import REAL_LIMIT, round_bounded

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Unary(Elementwise):
    """Base: shape kept, one data input, evaluated element by element by ``function``."""

    REWRITTEN = True
    ELEMENTWISE = True
    FAMILY = "activation"

    @classmethod
    def build(cls, ctx: ImportContext) -> Unary:
        """The op with its attributes from the operator's options."""
        return cls()

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.needed(0), ctx.outputs[0]
        _quant.require_quantized(ctx, x, output)
        _quant.require_ratio(ctx, x.scale)
        ctx.emit(cls.build(ctx), (x,), output)

    def function(self, x: Array, source: Tensor, output: Tensor) -> Array:
        """Elements of ``x`` (raw integers) mapped to the output's raw integers."""
        raise NotImplementedError

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Element by element."""
        x, source = present(arrays)[0], present(inputs)[0]
        return self.function(x, source, output).astype(output.dtype.numpy)


def through_float32(
    x: Array, source: Tensor, output: Tensor, function: Callable[[Float32], Float32]
) -> Array:
    """What LiteRT fills its 8-bit tables with (``LUTPopulate``): dequantized, transformed and rescaled in float32."""
    low, high = source.dtype.integer_range
    real = np.float32(source.scale) * (np.arange(low, high + 1) - source.zero_point).astype(np.float32)
    with np.errstate(over="ignore"):
        rescaled = function(real) * np.float32(_scales.single(1.0, over=output.scale))
    rounded = round_bounded(np.clip(rescaled, np.float32(-REAL_LIMIT), np.float32(REAL_LIMIT)))
    table: Array = np.clip(rounded + output.zero_point, *output.dtype.integer_range)
    return table[x.astype(np.int64) - low]
