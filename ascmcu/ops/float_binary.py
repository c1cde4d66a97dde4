# SPDX-License-Identifier: Apache-2.0
"""ADD, SUB, MUL, DIV, FLOOR_DIV, FLOOR_MOD, MAXIMUM, MINIMUM and SQUARED_DIFFERENCE of float32, with broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, TensorType, present
from ascmcu.ir.registry import register_float
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _broadcast, _float
from ascmcu.ops._activation import import_activation


def _floor_mod(a: Array, b: Array) -> Array:
    rest = np.fmod(a, b)
    return np.where((rest != 0) & ((b < 0) != (rest < 0)), rest + b, rest)


_FUNCTIONS: dict[str, Callable[[Array, Array], Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "floor_div": lambda a, b: np.floor(a.astype(np.float64) / b.astype(np.float64)),
    "floor_mod": _floor_mod,
    "squared_difference": lambda a, b: (a - b) * (a - b),
}


@register_float(*(name.upper() for name in _FUNCTIONS))
@dataclass(frozen=True)
class FloatBinary(_broadcast.Broadcasting):
    """activation(a function b), rounded once."""

    KIND = "float_binary"
    function: str
    activation: str

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op on operands of equal rank."""
        output = ctx.outputs[0]
        operands = _broadcast.ranked_operands(ctx)
        _float.require_float(ctx, *operands, output)
        ctx.emit(cls(ctx.builtin.lower(), import_activation(ctx)), operands, output)

    def infer(self, inputs: Inputs) -> TensorType:
        """The broadcast shape."""
        return TensorType(super().infer(inputs).shape, DType.FLOAT32)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """One rounding."""
        a, b = present(arrays)
        result = _FUNCTIONS[self.function](a.astype(np.float32), b.astype(np.float32))
        return _float.activated(result, self.activation).astype(np.float32)
