# SPDX-License-Identifier: Apache-2.0
"""PRELU: a leaky ReLU whose slope is learnt, usually per channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _broadcast, _quant, _scales, _wide
from ascmcu.ops._fixed import multiply_by_quantized_multiplier, to_output


@register("PRELU")
@dataclass(frozen=True)
class Prelu(_broadcast.Broadcasting):
    """x for x ≥ 0, else slope × x; inputs x and slope, which is int8 where x is int16
    (tflite reference_ops::BroadcastPrelu4DSlow)."""

    KIND = "prelu"

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op on operands of equal rank."""
        x, slope = _import_operands(ctx)
        _quant.require_ratio(ctx, x.scale)
        _quant.require_ratio(ctx, x.scale, slope.scale)
        ctx.emit(cls(), (x, slope), ctx.outputs[0])

    @staticmethod
    def multipliers(inputs: Inputs, output: Tensor) -> tuple[tuple[int, int], tuple[int, int]]:
        """(multiplier, shift) of inputs from the zero point up, and of those below it times the slope."""
        x, slope = present(inputs)
        # activations.cc widens to double what it has computed in float32.
        positive = _scales.single_multiplier(x.scale, over=output.scale)
        return positive, _scales.single_multiplier(x.scale, slope.scale, over=output.scale)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        (x, slope), (source, factor) = present(arrays), present(inputs)
        positive, negative = self.multipliers(inputs, output)
        centred, slope_centred = np.broadcast_arrays(
            x.astype(np.int64) - source.zero_point, slope.astype(np.int64) - factor.zero_point
        )
        scaled = np.where(
            centred >= 0,
            multiply_by_quantized_multiplier(centred, *positive),
            multiply_by_quantized_multiplier(centred * slope_centred, *negative),
        )
        return to_output(scaled, output.zero_point, *output.dtype.integer_range).astype(output.dtype.numpy)


def _import_operands(ctx: ImportContext) -> tuple[Tensor, Tensor]:
    """Input and slope with the output's rank."""
    x, slope, output = ctx.needed(0), ctx.needed(1), ctx.outputs[0]
    if x.dtype is not DType.INT16:
        return _broadcast.import_operands(ctx)
    _wide.require_wide(ctx, x, output)
    # activations.cc reads the bytes of any slope as int8.
    ctx.require_dtype(slope, DType.INT8)
    _quant.require_scales(ctx, x, slope, output)
    return _broadcast.ranked(ctx, x), _broadcast.ranked(ctx, slope)
