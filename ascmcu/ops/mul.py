# SPDX-License-Identifier: Apache-2.0
"""MUL: x × y with broadcasting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _broadcast, _quant, _scales
from ascmcu.ops._fixed import multiply_by_quantized_multiplier, to_output


@register("MUL")
@dataclass(frozen=True)
class Mul(_broadcast.Broadcasting):
    """clamp(requant((x − zero point) × (y − zero point))); rounds twice (tflite reference_integer_ops::Mul)."""

    KIND = "mul"
    clamp: tuple[int, int]

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op on operands of equal rank."""
        operands = _broadcast.import_operands(ctx)
        _quant.require_ratio(ctx, *(t.scale for t in operands))
        ctx.emit(cls(_quant.import_activation(ctx, ctx.outputs[0])), operands, ctx.outputs[0])

    @staticmethod
    def multiplier(inputs: Inputs, output: Tensor) -> tuple[int, int]:
        """Of the product of the centred operands."""
        a, b = present(inputs)
        # mul.cc widens to double what it has computed in float32.
        return _scales.single_multiplier(a.scale, b.scale, over=output.scale)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        (a, b), (x, y) = present(arrays), present(inputs)
        product = (a.astype(np.int64) - x.zero_point) * (b.astype(np.int64) - y.zero_point)
        scaled = multiply_by_quantized_multiplier(product, *self.multiplier(inputs, output))
        return to_output(scaled, output.zero_point, *self.clamp).astype(output.dtype.numpy)
