# SPDX-License-Identifier: Apache-2.0
"""ADD, SUB, MUL, DIV, FLOOR_DIV, FLOOR_MOD, MAXIMUM, MINIMUM of plain integers, with broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register, register_integers
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _broadcast
from ascmcu.ops._activation import BOUNDS, import_activation

INTEGERS = (DType.INT8, DType.INT16, DType.INT32, DType.INT64)


def _divided(a: Array, b: Array) -> Array:
    """Towards zero; by zero it is 0, and the lowest number by −1 stays what it is."""
    cut = (np.remainder(a, np.where(b == 0, 1, b)) != 0) & ((a < 0) != (b < 0)) & (b != 0)
    return np.asarray(_floor_divided(a, b) + cut)


def _floor_divided(a: Array, b: Array) -> Array:
    return np.where(b == 0, 0, np.floor_divide(a, np.where(b == 0, 1, b)))


def _remainder(a: Array, b: Array) -> Array:
    return np.where(b == 0, 0, np.remainder(a, np.where(b == 0, 1, b)))


_FUNCTIONS: dict[str, Callable[[Array, Array], Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": _divided,
    "floor_div": _floor_divided,
    "floor_mod": _remainder,
    "maximum": np.maximum,
    "minimum": np.minimum,
}


@register_integers("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM")
@register("FLOOR_DIV", "FLOOR_MOD")
@dataclass(frozen=True)
class IntegerBinary(_broadcast.Broadcasting):
    """clamp(a function b) modulo the type's range, scales left aside (tflite reference_ops). LiteRT refuses a divisor
    of zero; here the result is 0."""

    KIND = "integer_binary"
    function: str
    clamp: tuple[int, int]

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op on operands of equal rank."""
        output = ctx.outputs[0]
        operands = _broadcast.ranked_operands(ctx)
        for tensor in (*operands, output):
            ctx.require_dtype(tensor, *INTEGERS)
            ctx.require_dtype(tensor, output.dtype)
        low, high = output.dtype.integer_range
        least, most = BOUNDS[import_activation(ctx)]
        clamp = low if least is None else int(least), high if most is None else int(most)
        ctx.emit(cls(ctx.builtin.lower(), clamp), operands, output)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """In 64 bits, then in the type's own."""
        a, b = (array.astype(np.int64) for array in present(arrays))
        with np.errstate(over="ignore"):
            found = _FUNCTIONS[self.function](a, b).astype(output.dtype.numpy)
        clamped: Array = np.clip(found, *self.clamp).astype(output.dtype.numpy)
        return clamped
