# SPDX-License-Identifier: Apache-2.0
"""SOFTMAX of float32 over the last axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register_float
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _float
from ascmcu.ops._elementwise import Elementwise
from ascmcu.ops.softmax import import_beta


@register_float("SOFTMAX")
@dataclass(frozen=True)
class FloatSoftmax(Elementwise):
    """exp(beta · (x − max)) / Σ exp(beta · (x − max))."""

    KIND = "float_softmax"
    PROBABILITIES = True
    FAMILY = "activation"
    beta: float

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.needed(0), ctx.outputs[0]
        _float.require_float(ctx, x, output)
        ctx.emit(cls(import_beta(ctx)), (x,), output)

    def output_dtype(self, x: Tensor) -> DType:
        """float32."""
        return DType.FLOAT32

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """In float64, rounded once."""
        x = present(arrays)[0]
        scaled = (x.astype(np.float64) - x.max(axis=-1, keepdims=True)) * self.beta
        exps = np.exp(scaled)
        return np.asarray(exps / exps.sum(axis=-1, keepdims=True), np.float32)
