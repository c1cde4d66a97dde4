# SPDX-License-Identifier: Apache-2.0
"""SQRT."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._unary import Unary


@register("SQRT")
@dataclass(frozen=True)
class Sqrt(Unary):
    """√x over the output's scale in float32, cut off towards zero (tflite elementwise.cc). LiteRT refuses negative
    inputs; here they give 0."""

    KIND = "sqrt"

    def function(self, x: Array, source: Tensor, output: Tensor) -> Array:
        """Bit-exact reference."""
        return root(x, source, output)


def root(x: Array, source: Tensor, output: Tensor) -> Array:
    """The raw integers of √x, of 8 or 16 bits."""
    low, high = output.dtype.integer_range
    real = np.float32(source.scale) * (x.astype(np.int64) - source.zero_point).astype(np.float32)
    found = np.sqrt(np.maximum(real, np.float32(0))) / np.float32(output.scale)
    # Beyond this every zero point leaves the range.
    whole = np.trunc(np.minimum(found, np.float32(2 * (high - low + 1)))).astype(np.int64)
    result: Array = np.clip(whole + output.zero_point, low, high)
    return result
