# SPDX-License-Identifier: Apache-2.0
"""Functions of one float32 element: activations, and the parts of normalizations (SQUARE, SQRT, RSQRT, EXP, LOG, …)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register_float
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _float
from ascmcu.ops._elementwise import Elementwise

_FUNCTIONS: dict[str, Callable[[Array, float], Array]] = {
    "relu": lambda x, _: np.maximum(x, 0.0),
    "relu6": lambda x, _: np.clip(x, 0.0, 6.0),
    "relu_n1_to_1": lambda x, _: np.clip(x, -1.0, 1.0),
    "logistic": lambda x, _: 1.0 / (1.0 + np.exp(-x)),
    "tanh": lambda x, _: np.tanh(x),
    "hard_swish": lambda x, _: x * np.clip(x + 3.0, 0.0, 6.0) / 6.0,
    "leaky_relu": lambda x, alpha: np.where(x < 0.0, x * alpha, x),
    "abs": lambda x, _: np.abs(x),
    "neg": lambda x, _: -x,
    "square": lambda x, _: x * x,
    "sqrt": lambda x, _: np.sqrt(x),
    "rsqrt": lambda x, _: 1.0 / np.sqrt(x),
    "exp": lambda x, _: np.exp(x),
    "log": lambda x, _: np.log(x),
    "relu_0_to_1": lambda x, _: np.clip(x, 0.0, 1.0),
    "floor": lambda x, _: np.floor(x),
    "ceil": lambda x, _: np.ceil(x),
    "round": lambda x, _: np.rint(x),
    "sign": lambda x, _: np.sign(x),
    "sin": lambda x, _: np.sin(x),
    "cos": lambda x, _: np.cos(x),
    "elu": lambda x, _: np.where(x < 0.0, np.expm1(np.minimum(x, 0.0)), x),
    # ``alpha`` tells the approximation by the tangent from the error function.
    "gelu": lambda x, tangent: 0.5 * x * (1.0 + (_by_tangent(x) if tangent else _erf(x / math.sqrt(2.0)))),
}


def _by_tangent(x: Array) -> Array:
    return np.asarray(np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def _erf(x: Array) -> Array:
    return np.asarray(np.vectorize(math.erf, otypes=[np.float64])(x))


@register_float(*(name.upper() for name in _FUNCTIONS))
@dataclass(frozen=True)
class FloatUnary(Elementwise):
    """The function of each element; ``alpha`` is LEAKY_RELU's slope, and 1 where GELU is the approximate one."""

    KIND = "float_unary"
    ELEMENTWISE = True
    FAMILY = "activation"
    function: str
    alpha: float

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.needed(0), ctx.outputs[0]
        _float.require_float(ctx, x, output)
        alpha = float(ctx.option("Alpha", 0.0)) if ctx.builtin == "LEAKY_RELU" else 0.0
        if ctx.builtin == "GELU":
            alpha = float(ctx.option("Approximate", False))
        ctx.emit(cls(ctx.builtin.lower(), alpha), (x,), output)

    def output_dtype(self, x: Tensor) -> DType:
        """float32."""
        return DType.FLOAT32

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """In float64, rounded once."""
        x = present(arrays)[0]
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            return _FUNCTIONS[self.function](x.astype(np.float64), self.alpha).astype(np.float32)
