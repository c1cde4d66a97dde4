# SPDX-License-Identifier: Apache-2.0
"""ABS."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _scales
from ascmcu.ops._fixed import multiply_by_quantized_multiplier, to_output
from ascmcu.ops._unary import Unary


@register("ABS")
@dataclass(frozen=True)
class Abs(Unary):
    """|x|, requantized when input and output scales differ (tflite elementwise.cc AbsEvalQuantized)."""

    KIND = "abs"

    def function(self, x: Array, source: Tensor, output: Tensor) -> Array:
        """Bit-exact reference."""
        magnitude = np.abs(x.astype(np.int64) - source.zero_point)
        if source.scale != output.scale:
            multiplier, shift = _scales.single_multiplier(source.scale, over=output.scale)
            magnitude = multiply_by_quantized_multiplier(magnitude, multiplier, shift)
        return to_output(magnitude, output.zero_point, *output.dtype.integer_range)
