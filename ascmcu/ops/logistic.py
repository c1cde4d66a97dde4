# SPDX-License-Identifier: Apache-2.0
"""LOGISTIC: 1 / (1 + exp(−x))."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._libm import expf
from ascmcu.ops._unary import Float32, Unary, through_float32


@register("LOGISTIC")
@dataclass(frozen=True)
class Logistic(Unary):
    """A table filled in float32 (tflite activations.cc; LiteRT 2.3.0's reference resolver no longer uses gemmlowp)."""

    KIND = "logistic"

    def function(self, x: Array, source: Tensor, output: Tensor) -> Array:
        """Bit-exact reference."""
        return through_float32(x, source, output, _logistic)


def _logistic(x: Float32) -> Float32:
    result: Float32 = np.float32(1) / (np.float32(1) + expf(-x))
    return result
