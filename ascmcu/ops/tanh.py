# SPDX-License-Identifier: Apache-2.0
"""TANH."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _quant
from ascmcu.ops._libm import tanhf
from ascmcu.ops._unary import Unary, through_float32


@register("TANH")
@dataclass(frozen=True)
class Tanh(Unary):
    """A table filled in float32 (tflite activations.cc; LiteRT 2.3.0's reference resolver no longer uses gemmlowp)."""

    KIND = "tanh"

    @classmethod
    def build(cls, ctx: ImportContext) -> Tanh:
        """No attributes."""
        _quant.require_ratio(ctx, 1.0)
        return cls()

    def function(self, x: Array, source: Tensor, output: Tensor) -> Array:
        """Bit-exact reference."""
        return through_float32(x, source, output, tanhf)
