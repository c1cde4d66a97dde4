# SPDX-License-Identifier: Apache-2.0
"""LEAKY_RELU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _quant, _scales
from ascmcu.ops._fixed import multiply_by_quantized_multiplier, to_output
from ascmcu.ops._unary import Unary


@register("LEAKY_RELU")
@dataclass(frozen=True)
class LeakyRelu(Unary):
    """x for x ≥ 0, else alpha·x, each side with its own multiplier (tflite reference_ops::QuantizeLeakyRelu)."""

    KIND = "leaky_relu"
    alpha: float

    @classmethod
    def build(cls, ctx: ImportContext) -> LeakyRelu:
        """The slope of the negative side."""
        alpha = float(ctx.option("Alpha", 0.0))
        _quant.require_ratio(ctx, ctx.needed(0).scale, alpha)
        return cls(alpha)

    def function(self, x: Array, source: Tensor, output: Tensor) -> Array:
        """Bit-exact reference."""
        centred = x.astype(np.int64) - source.zero_point
        # activations.cc widens to double what it has computed in float32.
        positive = _scales.single_multiplier(source.scale, over=output.scale)
        negative = _scales.single_multiplier(source.scale, abs(self.alpha), over=output.scale)
        # A negative slope scales by its magnitude, then negates: a signed multiplier would round halves otherwise.
        below = multiply_by_quantized_multiplier(centred, *negative) * (-1 if self.alpha < 0 else 1)
        scaled = np.where(
            centred >= 0,
            multiply_by_quantized_multiplier(centred, *positive),
            below,
        )
        return to_output(scaled, output.zero_point, *output.dtype.integer_range)
