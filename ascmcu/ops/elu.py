# SPDX-License-Identifier: Apache-2.0
"""ELU: x, or e^x − 1 below zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._libm import expm1f
from ascmcu.ops._unary import Float32, Unary, through_float32


@register("ELU")
@dataclass(frozen=True)
class Elu(Unary):
    """A table filled in float32 (tflite activations.cc)."""

    KIND = "elu"

    def function(self, x: Array, source: Tensor, output: Tensor) -> Array:
        """Bit-exact reference."""
        return through_float32(x, source, output, _elu)


def _elu(x: Float32) -> Float32:
    return np.where(x < 0, expm1f(x), x).astype(np.float32)
