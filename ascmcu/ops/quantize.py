# SPDX-License-Identifier: Apache-2.0
"""QUANTIZE: float32 to integers, or integers to another scale, zero point, width or signedness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _quant, _scales
from ascmcu.ops._elementwise import Elementwise
from ascmcu.ops._fixed import (
    multiply_by_quantized_multiplier,
    round_away,
    round_bounded,
    to_output,
)

_INTEGERS = (*_quant.QUANTIZED, DType.INT16, DType.INT32)
# What LiteRT's kernel takes to what.
_TO = {
    DType.FLOAT32: (*_quant.QUANTIZED, DType.INT16),
    DType.INT8: _quant.QUANTIZED,
    DType.UINT8: _quant.QUANTIZED,
    DType.INT16: (DType.INT8, DType.INT16, DType.INT32),
    DType.INT32: (DType.INT8, DType.INT16),
}
# Beyond this every zero point leaves 16 bits.
_WIDE_LIMIT = 1 << 18


@register("QUANTIZE")
@dataclass(frozen=True)
class Quantize(Elementwise):
    """round(x / scale) + zero point in float32 (tflite reference_ops::AffineQuantize), or, from integers,
    the fixed-point requantization that rounds twice (reference_ops::Requantize)."""

    KIND = "quantize"
    KEEPS_NUMBERS = True
    ELEMENTWISE = True
    dtype: str

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.needed(0), ctx.outputs[0]
        ctx.require_dtype(x, DType.FLOAT32, *_INTEGERS)
        ctx.require_dtype(output, *_TO[x.dtype])
        _quant.require_scales(ctx, output, None if x.dtype is DType.FLOAT32 else x)
        if x.dtype is not DType.FLOAT32:
            _quant.require_ratio(ctx, x.scale)
        ctx.emit(cls(output.dtype.value), (x,), output)

    def output_dtype(self, x: Tensor) -> DType:
        """The attribute's."""
        return DType(self.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        x, source = present(arrays)[0], present(inputs)[0]
        low, high = output.dtype.integer_range
        if source.dtype is DType.FLOAT32 and output.dtype is DType.INT16:
            real = round_away(x.astype(np.float32) / np.float32(output.scale))
            scaled = np.clip(np.nan_to_num(real), -_WIDE_LIMIT, _WIDE_LIMIT).astype(np.int64)
        elif source.dtype is DType.FLOAT32:
            # Bounded before the zero point is added, so that huge inputs stay in range.
            scaled = round_bounded(x.astype(np.float32) / np.float32(output.scale))
        else:
            centred = x.astype(np.int64) - source.zero_point
            scaled = multiply_by_quantized_multiplier(
                centred, *_scales.double_multiplier(source.scale, over=output.scale)
            )
        return to_output(scaled, output.zero_point, low, high).astype(output.dtype.numpy)
