# SPDX-License-Identifier: Apache-2.0
"""ADD, SUB and MUL of int16, with broadcasting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register_wide
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _broadcast, _quant, _scales, _wide
from ascmcu.ops._fixed import multiply_by_quantized_multiplier, wrap32

# tflite/kernels/add.cc: of 16-bit operands whose scales are no powers of two.
LEFT_SHIFT = 15
Fixed = tuple[int, int]


@register_wide("ADD", "SUB", "MUL")
@dataclass(frozen=True)
class WideBinary(_broadcast.Broadcasting):
    """clamp(requant(a × b)), or clamp(requant(a ± b)) with both brought to a common scale first; no zero points.

    ``operands`` are mantissa and shift of each operand of a sum, ``result`` those of the output.
    """

    KIND = "wide_binary"
    function: str
    operands: tuple[Fixed, ...]
    result: Fixed
    clamp: tuple[int, int]

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op on operands of equal rank."""
        output = ctx.outputs[0]
        a, b = (_broadcast.ranked(ctx, tensor) for tensor in ctx.inputs[:2])
        _wide.require_wide(ctx, a, b, output)
        if output.scale <= 0:
            raise ctx.error("a scale must be positive", output, found=output.scale)
        function = ctx.builtin.lower()
        if function == "mul":
            _quant.require_ratio(ctx, a.scale, b.scale)
            operands: tuple[Fixed, ...] = ()
            result = _scales.single_multiplier(a.scale, b.scale, over=output.scale)
        else:
            operands, result = _sum(ctx, a, b)
        clamp = _quant.import_activation(ctx, output)
        ctx.emit(cls(function, operands, result, clamp), (a, b), output)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        a, b = (values.astype(np.int64) for values in present(arrays))
        if self.function == "mul":
            total = wrap32(a * b)
        else:
            a, b = (
                multiply_by_quantized_multiplier(v << LEFT_SHIFT, *fixed)
                for v, fixed in zip((a, b), self.operands, strict=True)
            )
            total = wrap32(a - b if self.function == "sub" else a + b)
        scaled = multiply_by_quantized_multiplier(total, *self.result)
        return np.clip(scaled, *self.clamp).astype(output.dtype.numpy)


def _sum(ctx: ImportContext, a: Tensor, b: Tensor) -> tuple[tuple[Fixed, ...], Fixed]:
    output = ctx.outputs[0]
    if all(_scales.power_of_two(t.scale) is not None for t in (a, b, output)):
        raise ctx.error("a sum of int16 whose scales are all powers of two is not supported", output)
    twice = 2.0 * max(a.scale, b.scale)
    smallest = twice / (1 << LEFT_SHIFT)
    if output.scale <= smallest or twice <= 0:
        raise ctx.error(
            "the output's scale is too small for its operands",
            output,
            expected=f"> {smallest:.3g}",
            found=output.scale,
        )
    operands = tuple(_scales.double_multiplier(t.scale, over=twice) for t in (a, b))
    return operands, _scales.double_multiplier(twice, over=(1 << LEFT_SHIFT) * output.scale)
