# SPDX-License-Identifier: Apache-2.0
"""GREATER, GREATER_EQUAL, LESS, LESS_EQUAL, EQUAL and NOT_EQUAL of computed tensors, with broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, TensorType, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _broadcast, _quant, _scales
from ascmcu.ops._fixed import multiply_by_quantized_multiplier

_UNSCALED = (DType.FLOAT32, DType.INT32, DType.INT64, DType.BOOL)
LEFT_SHIFT = 8  # tflite/kernels/comparisons.cc
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "equal": np.equal,
    "not_equal": np.not_equal,
}


@register(*(name.upper() for name in _FUNCTIONS))
@dataclass(frozen=True)
class Compare(_broadcast.Broadcasting):
    """Whether a function b. 8-bit operands are scaled first, in fixed point with 8 more bits, rounded twice
    (tflite reference_ops::ComparisonWithScaling), and so are those of int16 for equality; float32, plain integers and
    int16 otherwise are compared as they are."""

    KIND = "compare"
    function: str

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op on operands of equal rank."""
        a, b = _broadcast.ranked_operands(ctx)
        ctx.require_dtype(a, *_UNSCALED, DType.INT16, *_quant.QUANTIZED)
        ctx.require_dtype(b, a.dtype)
        op = cls(ctx.builtin.lower())
        if op.scales(a):
            _quant.require_scales(ctx, a, b)
            if max(a.scale, b.scale) >= 1.0:
                # The reference shifts by a negative number of bits.
                raise ctx.error(
                    "a scale is too large to compare by", a, expected="< 1", found=max(a.scale, b.scale)
                )
        ctx.emit(op, (a, b), ctx.outputs[0])

    def scales(self, operand: Tensor) -> bool:
        """Whether operands of that type are scaled first."""
        if operand.dtype is DType.INT16:
            return self.function in ("equal", "not_equal")
        return operand.dtype not in _UNSCALED

    def infer(self, inputs: Inputs) -> TensorType:
        """The broadcast shape, of booleans."""
        return TensorType(super().infer(inputs).shape, DType.BOOL)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        operands = list(present(arrays))
        for i, tensor in enumerate(present(inputs)):
            if self.scales(tensor):
                shifted = (operands[i].astype(np.int64) - tensor.zero_point) << LEFT_SHIFT
                operands[i] = multiply_by_quantized_multiplier(shifted, *scaling(tensor))
        return np.asarray(_FUNCTIONS[self.function](*operands))


def scaling(tensor: Tensor) -> tuple[int, int]:
    """(multiplier, shift) of an operand that is scaled."""
    return _scales.single_multiplier(tensor.scale, over=1.0)
