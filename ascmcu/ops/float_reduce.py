# SPDX-License-Identifier: Apache-2.0
"""MEAN, SUM, REDUCE_MAX, REDUCE_MIN and REDUCE_PROD of float32 over any axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register_float
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _float, _reduce

_FUNCTIONS = {"MEAN": "mean", "SUM": "sum", "REDUCE_MAX": "max", "REDUCE_MIN": "min", "REDUCE_PROD": "prod"}


@register_float(*_FUNCTIONS)
@dataclass(frozen=True)
class FloatReduce(_reduce.Reduction):
    """``mean``, ``sum``, ``max``, ``min`` or ``prod`` over ``axes``."""

    KIND = "float_reduce"
    function: str

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the reduction."""
        x, axes, keep_dims = _reduce.import_reduction(ctx, _float.require_float)
        ctx.emit(cls(axes, keep_dims, _FUNCTIONS[ctx.builtin]), (x,), ctx.outputs[0])

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Summed in float64, rounded once."""
        x, source = present(arrays)[0], present(inputs)[0]
        if self.function in ("max", "min"):
            return np.asarray(getattr(x, self.function)(axis=self.axes)).reshape(output.shape)
        if self.function == "prod":
            product = x.astype(np.float64).prod(axis=self.axes)
            return np.asarray(product, np.float32).reshape(output.shape)
        total = x.astype(np.float64).sum(axis=self.axes)
        return np.asarray(total / self.divisor(source), np.float32).reshape(output.shape)

    def divisor(self, x: Tensor) -> float:
        """By which the sum is divided."""
        return float(self.count(x)) if self.function == "mean" else 1.0
