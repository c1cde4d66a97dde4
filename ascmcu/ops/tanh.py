"""TANH."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._unary import Float32, Unary, through_float32


@register("TANH")
@dataclass(frozen=True)
class Tanh(Unary):
    """A table filled in float32 (tflite activations.cc; LiteRT 2.3.0's reference resolver no longer uses gemmlowp)."""

    KIND = "tanh"

    def function(self, x: Array, source: Tensor, output: Tensor) -> Array:
        """Bit-exact reference."""
        return through_float32(x, source, output, _tanh)


def _tanh(x: Float32) -> Float32:
    result: Float32 = np.tanh(x.astype(np.float64)).astype(np.float32)
    return result
