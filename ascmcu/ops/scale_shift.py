# SPDX-License-Identifier: Apache-2.0
"""SCALE_SHIFT: x × factor + offset in one step, made by a pass of MUL and ADD (a batch normalization)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.ir.op import Inputs, Op, RowRule, Swapped, TensorType, elementwise_rule, present, swap_constants
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Quantization, Tensor
from ascmcu.ops import _sum
from ascmcu.ops.mul import Mul


@register()
@dataclass(frozen=True)
class ScaleShift(Op):
    """clamp(requant(middle ± offset)) with middle = clamp(requant(x × factor)): both roundings of MUL and ADD.

    Inputs x and the constants factor and offset, which broadcast to x and are equal in all rows.
    """

    KIND = "scale_shift"
    ELEMENTWISE = True
    middle_scale: float
    middle_zero_point: int
    middle_clamp: tuple[int, int]
    clamp: tuple[int, int]
    subtract: bool

    def infer(self, inputs: Inputs) -> TensorType:
        """x's shape."""
        x = present(inputs)[0]
        return TensorType(x.shape, x.dtype)

    def middle(self, x: Tensor) -> Tensor:
        """The product as a tensor that no graph holds."""
        quant = Quantization((self.middle_scale,), (self.middle_zero_point,))
        return Tensor("middle", x.shape, x.dtype, quant)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """MUL, then ADD or SUB."""
        x, factor, offset = present(inputs)
        middle, added = self.middle(x), present(arrays)[2]
        product = Mul(self.middle_clamp).evaluate(arrays[:2], (x, factor), middle)
        return _sum.evaluate(product, added, (middle, offset), output, self.clamp, subtract=self.subtract)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped | None:
        """The constants' only wide axes may be the last ones: exchanged, they would differ between rows."""
        constants = [t for t in inputs[1:] if t is not None]
        if any(len(t.shape) == 4 and t.shape[2] != 1 for t in constants):
            return None
        return Swapped(self, swap_constants(inputs))

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row."""
        return elementwise_rule(inputs, output)
