# SPDX-License-Identifier: Apache-2.0
"""SQUARED_DIFFERENCE: (x − y)² with broadcasting."""

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

Fixed = tuple[int, int]
LEFT_SHIFT = 7  # tflite/kernels/squared_difference.cc


@register("SQUARED_DIFFERENCE")
@dataclass(frozen=True)
class SquaredDifference(_broadcast.Broadcasting):
    """requant((x − y)²), both operands brought to a common scale first; each of three steps rounds twice
    (tflite squared_difference.cc)."""

    KIND = "squared_difference"

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op on operands of equal rank."""
        a, b = _broadcast.import_operands(ctx)
        twice = 2.0 * max(a.scale, b.scale)
        # LiteRT ends the process where the output's multiplier is 1 or more.
        _quant.require_ratio(ctx, twice, twice, most=float(1 << 2 * LEFT_SHIFT))
        ctx.emit(cls(), (a, b), ctx.outputs[0])

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        first, second = present(inputs)
        fixed = multipliers(first, second, output)
        a, b = (
            multiply_by_quantized_multiplier((x.astype(np.int64) - t.zero_point) << LEFT_SHIFT, *own)
            for x, t, own in zip(present(arrays), present(inputs), fixed[:2], strict=True)
        )
        scaled = multiply_by_quantized_multiplier((a - b) * (a - b), *fixed[2])
        return to_output(scaled, output.zero_point, *output.dtype.integer_range).astype(output.dtype.numpy)


def multipliers(a: Tensor, b: Tensor, output: Tensor) -> tuple[Fixed, Fixed, Fixed]:
    """(multiplier, shift) of both operands and of the output."""
    twice = 2.0 * max(a.scale, b.scale)
    return (
        _scales.double_multiplier(a.scale, over=twice),
        _scales.double_multiplier(b.scale, over=twice),
        _scales.double_multiplier(twice, twice, over=(1 << 2 * LEFT_SHIFT) * output.scale),
    )
