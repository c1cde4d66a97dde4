"""Functions of one float32 element: RELU and its like, LOGISTIC, TANH, HARD_SWISH, LEAKY_RELU, ABS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Lowered, Op, RowRule, Swapped, TensorType, elementwise_rule
from ascmcu.ir.registry import register_float
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _float

_FUNCTIONS: dict[str, Callable[[Array, float], Array]] = {
    "relu": lambda x, _: np.maximum(x, 0.0),
    "relu6": lambda x, _: np.clip(x, 0.0, 6.0),
    "relu_n1_to_1": lambda x, _: np.clip(x, -1.0, 1.0),
    "logistic": lambda x, _: 1.0 / (1.0 + np.exp(-x)),
    "tanh": lambda x, _: np.tanh(x),
    "hard_swish": lambda x, _: x * np.clip(x + 3.0, 0.0, 6.0) / 6.0,
    "leaky_relu": lambda x, alpha: np.where(x < 0.0, x * alpha, x),
    "abs": lambda x, _: np.abs(x),
}


@dataclass(frozen=True)
class FloatUnaryParams:
    """Compile-time constants."""

    function: str
    alpha: float
    elements: int


@register_float(*(name.upper() for name in _FUNCTIONS))
@dataclass(frozen=True)
class FloatUnary(Op):
    """The function of each element; ``alpha`` is LEAKY_RELU's slope."""

    KIND = "float_unary"
    function: str
    alpha: float

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.inputs[0], ctx.outputs[0]
        if x is None:
            raise ctx.error("input is missing")
        _float.require_float(ctx, x, output)
        alpha = float(ctx.option("Alpha", 0.0)) if ctx.builtin == "LEAKY_RELU" else 0.0
        ctx.emit(cls(ctx.builtin.lower(), alpha), (x,), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """The input's shape."""
        x = inputs[0]
        assert x is not None
        return TensorType(x.shape, DType.FLOAT32)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """In float64, rounded once."""
        x = arrays[0]
        assert x is not None
        with np.errstate(over="ignore"):
            return _FUNCTIONS[self.function](x.astype(np.float64), self.alpha).astype(np.float32)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """Element by element: nothing changes."""
        return Swapped(self)

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row."""
        return elementwise_rule(inputs, output)

    def lower(self, inputs: Inputs, output: Tensor) -> Lowered:
        """No constants."""
        return Lowered(FloatUnaryParams(self.function, self.alpha, output.row_elements))
