"""LOGISTIC: 1 / (1 + exp(−x))."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
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
    # The exponential of the double, rounded, is the float's exponential to within its last bit.
    with np.errstate(over="ignore"):
        exponential = np.exp(-x.astype(np.float64)).astype(np.float32)
    result: Float32 = np.float32(1) / (np.float32(1) + exponential)
    return result
