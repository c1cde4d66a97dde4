# SPDX-License-Identifier: Apache-2.0
"""RSQRT: 1 / √x."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _quant, _scales
from ascmcu.ops._fixed import (
    inverse_root,
    multiply_by_quantized_multiplier,
    to_output,
)
from ascmcu.ops._unary import Unary

# Bits by which the inverse root is scaled between the two multiplications (tflite elementwise.cc).
_SHIFT = 20


@register("RSQRT")
@dataclass(frozen=True)
class Rsqrt(Unary):
    """In fixed point (tflite elementwise.cc RsqrtEvalQuantized); LiteRT refuses negative inputs: here, and at zero, the
    output is the largest integer."""

    KIND = "rsqrt"

    @classmethod
    def build(cls, ctx: ImportContext) -> Rsqrt:
        """Of a step of the input, the inverse root is within the reference's reach."""
        _quant.require_ratio(ctx, 1.0 / _root(ctx.needed(0).scale))
        return cls()

    def function(self, x: Array, source: Tensor, output: Tensor) -> Array:
        """Bit-exact reference."""
        root = _scales.double(_root(source.scale), output.scale)
        multiplier, shift = _scales.double_multiplier(1.0, over=root)
        values, places = np.unique(x.astype(np.int64) - source.zero_point, return_inverse=True)
        results = np.array([_one(value, multiplier, shift, output) for value in values.tolist()], np.int64)
        return results[places].reshape(x.shape)


def _root(scale: float) -> float:
    return float(np.sqrt(np.float32(scale)))


def _one(value: int, multiplier: int, shift: int, output: Tensor) -> int:
    low, high = output.dtype.integer_range
    if value <= 0:
        return high
    inverse, inverse_shift = inverse_root(value)
    data = multiply_by_quantized_multiplier(np.array([1]), inverse, _SHIFT - inverse_shift)
    scaled = multiply_by_quantized_multiplier(data, multiplier, shift - _SHIFT)
    return int(to_output(scaled, output.zero_point, low, high)[0])
