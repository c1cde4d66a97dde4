# SPDX-License-Identifier: Apache-2.0
"""EXP: e^x."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._libm import expf
from ascmcu.ops._unary import Unary, through_float32


@register("EXP")
@dataclass(frozen=True)
class Exp(Unary):
    """A table filled in float32 (tflite exp.cc)."""

    KIND = "exp"

    def function(self, x: Array, source: Tensor, output: Tensor) -> Array:
        """Bit-exact reference."""
        return through_float32(x, source, output, expf)
