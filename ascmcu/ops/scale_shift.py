"""SCALE_SHIFT: x × factor + offset in one step, made by a pass of MUL and ADD (a batch normalization)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, Lowered, Op, RowRule, Swapped, TensorType, elementwise_rule, swap_constants
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Quantization, Tensor
from ascmcu.ops import _loops, _sum
from ascmcu.ops._fixed import multiply_by_quantized_multiplier
from ascmcu.ops.mul import Mul


@dataclass(frozen=True)
class ScaleShiftParams:
    """Compile-time constants of the row kernel; loops have steps (output and x, factor, offset).

    The flash arrays hold factor − zero point, and the offset as ADD scales it.
    """

    loops: tuple[_loops.Loop, ...]
    x_zero_point: int
    factor_multiplier: int
    factor_shift: int
    middle_zero_point: int
    middle_low: int
    middle_high: int
    left_shift: int
    middle_multiplier: int
    middle_shift: int
    y_multiplier: int
    y_shift: int
    y_zero_point: int
    low: int
    high: int
    x_type: str
    y_type: str


@register()
@dataclass(frozen=True)
class ScaleShift(Op):
    """clamp(requant(middle ± offset)) with middle = clamp(requant(x × factor)): both roundings of MUL and ADD.

    Inputs x and the constants factor and offset, which broadcast to x and are equal in all rows.
    """

    KIND = "scale_shift"
    middle_scale: float
    middle_zero_point: int
    middle_clamp: tuple[int, int]
    clamp: tuple[int, int]
    subtract: bool

    def infer(self, inputs: Inputs) -> TensorType:
        """x's shape."""
        x = inputs[0]
        assert x is not None
        return TensorType(x.shape, x.dtype)

    def _middle(self, x: Tensor) -> Tensor:
        quant = Quantization((self.middle_scale,), (self.middle_zero_point,))
        return Tensor("middle", x.shape, x.dtype, quant)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """MUL, then ADD or SUB."""
        x, factor, offset = inputs
        assert x is not None and arrays[2] is not None
        middle = self._middle(x)
        product = Mul(self.middle_clamp).evaluate(arrays[:2], (x, factor), middle)
        return _sum.evaluate(product, arrays[2], (middle, offset), output, self.clamp, subtract=self.subtract)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped | None:
        """The constants' only wide axes may be the last ones: exchanged, they would differ between rows."""
        constants = [t for t in inputs[1:] if t is not None]
        if any(len(t.shape) == 4 and t.shape[2] != 1 for t in constants):
            return None
        return Swapped(self, swap_constants(inputs))

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row."""
        return elementwise_rule(inputs, output)

    def lower(self, inputs: Inputs, output: Tensor) -> Lowered:
        """Constants go to flash, centred and scaled."""
        x, factor, offset = inputs
        assert x is not None and factor is not None and offset is not None
        assert factor.data is not None and offset.data is not None
        middle = self._middle(x)
        m_middle, m_offset, m_y = _sum.multipliers(middle, offset, output)
        centred = (offset.data.astype(np.int64) - offset.zero_point) << _sum.LEFT_SHIFT
        scaled = multiply_by_quantized_multiplier(centred, *m_offset) * (-1 if self.subtract else 1)
        params = ScaleShiftParams(
            self._loops(factor, offset, output), x.zero_point, *Mul.multiplier((x, factor), middle),
            self.middle_zero_point, *self.middle_clamp, _sum.LEFT_SHIFT, *m_middle, *m_y,
            output.zero_point, *self.clamp, x.dtype.c_name, output.dtype.c_name,
        )  # fmt: skip
        factors = factor.data.astype(np.int16) - np.int16(factor.zero_point)
        return Lowered(params, (("factor", factors), ("offset", scaled.astype(np.int32))))

    @staticmethod
    def _loops(factor: Tensor, offset: Tensor, output: Tensor) -> tuple[_loops.Loop, ...]:
        target = output.row_shape
        strides = [_loops.contiguous_strides(target)]
        for t in (factor, offset):
            strides.append(_loops.broadcast_strides(_loops.row_shape_of(output, t.shape), target))
        return _loops.loops(target, strides)
