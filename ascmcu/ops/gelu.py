# SPDX-License-Identifier: Apache-2.0
"""GELU: x × Φ(x), by the error function or by the hyperbolic tangent."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._libm import erfcf, tanhf
from ascmcu.ops._unary import Float32, Unary, through_float32

_HALF, _ONE = np.float32(0.5), np.float32(1)
_ROOT_OF_HALF = np.float32(math.sqrt(0.5))
# √(2/π) as the product of two float32 constants, and the cubic's factor (tflite reference/gelu.h).
_ROOT_OF_2_OVER_PI = np.float32(np.float32(2 / math.sqrt(math.pi)) * _ROOT_OF_HALF)
_CUBIC = np.float32(0.044715)


@register("GELU")
@dataclass(frozen=True)
class Gelu(Unary):
    """A table filled in float32 (tflite gelu.cc)."""

    KIND = "gelu"
    approximate: bool

    @classmethod
    def build(cls, ctx: ImportContext) -> Gelu:
        """With the option of the same name."""
        return cls(bool(ctx.option("Approximate", False)))

    def function(self, x: Array, source: Tensor, output: Tensor) -> Array:
        """Bit-exact reference."""
        return through_float32(x, source, output, functools.partial(gelu, approximate=self.approximate))


def gelu(x: Float32, *, approximate: bool) -> Float32:
    """x × Φ(x) element by element, by the tangent where ``approximate``."""
    if not approximate:
        # Twice Φ(x) is 1 + erf(x / √2) too, whose float32 bits are others.
        return np.asarray(_HALF * x * erfcf(x * -_ROOT_OF_HALF), np.float32)
    inner = _ROOT_OF_2_OVER_PI * (x + _CUBIC * x * x * x)
    return np.asarray(_HALF * x * (_ONE + tanhf(inner)), np.float32)
