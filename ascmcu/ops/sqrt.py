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
        real = np.float32(source.scale) * (x.astype(np.int64) - source.zero_point).astype(np.float32)
        root = np.sqrt(np.maximum(real, np.float32(0))) / np.float32(output.scale)
        whole = np.trunc(np.minimum(root, np.float32(1024))).astype(np.int64)
        result: Array = np.clip(whole + output.zero_point, *output.dtype.integer_range)
        return result
