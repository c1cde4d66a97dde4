# SPDX-License-Identifier: Apache-2.0
"""LOG_SOFTMAX over the last axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _quant, _scales
from ascmcu.ops._elementwise import Elementwise
from ascmcu.ops._fixed import (
    I64,
    INT32_MIN,
    exp_on_negative_values,
    log_of_sum,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_divide_by_pot,
)

Fixed = tuple[int, int]

_DIFF_INTEGER_BITS = 5
_ACCUMULATION_INTEGER_BITS = 12
# From Q5.26 to the output's steps of 1/16.
OUTPUT_SHIFT = 22


@register("LOG_SOFTMAX")
@dataclass(frozen=True)
class LogSoftmax(Elementwise):
    """x − max − log Σ exp(x − max) in fixed point (tflite reference_integer_ops::LogSoftmax)."""

    KIND = "log_softmax"
    FAMILY = "activation"

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.needed(0), ctx.outputs[0]
        _quant.require_quantized(ctx, x, output)
        highest = output.dtype.integer_range[1]
        if output.zero_point != highest or output.scale != 1 / 16:
            raise ctx.error(
                "the output of LOG_SOFTMAX must cover -16 … 0",
                output,
                expected=f"scale 1/16, zero point {highest}",
                found=f"scale {output.scale}, zero point {output.zero_point}",
            )
        if _real_multiplier(x) < 2:
            # LiteRT's QuantizeMultiplierSmallerThanOneExp aborts the process here.
            raise ctx.error(
                "LOG_SOFTMAX's input scale is too small",
                x,
                expected=f"> 2^-{30 - _DIFF_INTEGER_BITS}",
                found=x.scale,
                hint="the input never changed in calibration; calibrate with more varied data",
            )
        ctx.emit(cls(), (x,), output)

    def scaling(self, x: Tensor) -> tuple[Fixed, Fixed, int]:
        """Multiplier and shift from differences to Q5.26, those back, and how many differences count."""
        fixed = quantize_multiplier(_real_multiplier(x))
        reverse = quantize_multiplier(float(1 << (31 - fixed[1])) / fixed[0])
        radius = ((1 << _DIFF_INTEGER_BITS) - 1) * float(1 << (31 - _DIFF_INTEGER_BITS)) / 2.0 ** fixed[1]
        return fixed, reverse, math.floor(radius)

    def exponentials(self, x: Tensor) -> I64:
        """exp of −d for d = 0 … as Q12.19, as far as the reference takes it into account."""
        fixed, _, radius = self.scaling(x)
        differences = -np.arange(min(radius, 255) + 1, dtype=np.int64)
        exps = exp_on_negative_values(
            multiply_by_quantized_multiplier(differences, *fixed), _DIFF_INTEGER_BITS
        )
        return rounding_divide_by_pot(exps, _ACCUMULATION_INTEGER_BITS)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        x, source = present(arrays)[0], present(inputs)[0]
        fixed, reverse, radius = self.scaling(source)
        table = self.exponentials(source)
        difference = x.astype(np.int64) - x.max(axis=-1, keepdims=True)
        place = np.minimum(-difference, len(table) - 1)
        total = np.where(-difference < len(table), table[place], 0).sum(axis=-1, keepdims=True)
        log_sum = log_of_sum(total)
        least = np.maximum(-radius - 1, multiply_by_quantized_multiplier(log_sum + INT32_MIN, *reverse))
        low, high = output.dtype.integer_range
        scaled = multiply_by_quantized_multiplier(difference, *fixed)
        found = np.clip(rounding_divide_by_pot(scaled - log_sum, OUTPUT_SHIFT) + high, low, high)
        return np.where(difference > least, found, low).astype(output.dtype.numpy)


def _real_multiplier(x: Tensor) -> float:
    """From differences of the input to Q5.26."""
    return min(_scales.double(x.scale, 1 << (31 - _DIFF_INTEGER_BITS)), (1 << 31) - 1.0)
