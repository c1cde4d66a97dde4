# SPDX-License-Identifier: Apache-2.0
"""ADD and SUB: both operands are brought to a common fine scale, combined, and scaled to the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _broadcast, _quant, _scales
from ascmcu.ops._fixed import multiply_by_quantized_multiplier, to_output

LEFT_SHIFT = 20  # tflite/kernels/add.cc, 8-bit operands


@dataclass(frozen=True)
class SumOrDifference(_broadcast.Broadcasting):
    """Base of ADD and SUB, which differ by the sign of the second operand."""

    SUBTRACT: ClassVar[bool]
    clamp: tuple[int, int]

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op on operands of equal rank."""
        operands = _import_operands(ctx)
        ctx.emit(cls(_quant.import_activation(ctx, ctx.outputs[0])), operands, ctx.outputs[0])

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        a, b = present(arrays)
        return evaluate(a, b, inputs, output, self.clamp, subtract=self.SUBTRACT)


def _import_operands(ctx: ImportContext) -> tuple[Tensor, Tensor]:
    """Operands of equal rank, whose sum the output's scale can hold.

    The reference's arithmetic is undefined where the output's multiplier is 1 or more (ADD ends the process, SUB shifts
    by a negative number): such an output is a constant, and the converter gave it a scale next to nothing.
    """
    a, b = _broadcast.import_operands(ctx)
    output = ctx.outputs[0]
    smallest = 2.0 * max(a.scale, b.scale) / (1 << LEFT_SHIFT)
    if output.scale <= smallest:
        raise ctx.error(
            "the output's scale is too small for its operands",
            output,
            expected=f"> {smallest:.3g}",
            found=f"{output.scale:.3g}",
            hint="calibrate with inputs for which this output is not constant, or remove the operator",
        )
    return a, b


def multipliers(a: Tensor, b: Tensor, output: Tensor) -> tuple[tuple[int, int], ...]:
    """(multiplier, shift) of both operands and of the output."""
    twice_largest = 2.0 * max(a.scale, b.scale)
    return (
        _scales.double_multiplier(a.scale, over=twice_largest),
        _scales.double_multiplier(b.scale, over=twice_largest),
        _scales.double_multiplier(twice_largest, over=(1 << LEFT_SHIFT) * output.scale),
    )


def evaluate(
    a: Array, b: Array, inputs: Inputs, output: Tensor, clamp: tuple[int, int], *, subtract: bool
) -> Array:
    """tflite reference_integer_ops::Add; SUB differs by the sign."""
    x, y = present(inputs)
    m_a, m_b, m_y = multipliers(x, y, output)
    scaled_a = multiply_by_quantized_multiplier((a.astype(np.int64) - x.zero_point) << LEFT_SHIFT, *m_a)
    scaled_b = multiply_by_quantized_multiplier((b.astype(np.int64) - y.zero_point) << LEFT_SHIFT, *m_b)
    total = scaled_a - scaled_b if subtract else scaled_a + scaled_b
    result = multiply_by_quantized_multiplier(total, *m_y)
    return to_output(result, output.zero_point, *clamp).astype(output.dtype.numpy)
