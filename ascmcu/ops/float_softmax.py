# SPDX-License-Identifier: Apache-2.0
"""SOFTMAX and LOG_SOFTMAX of float32 over the last axis."""

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


@register_float("SOFTMAX", "LOG_SOFTMAX")
@dataclass(frozen=True)
class FloatSoftmax(Elementwise):
    """exp(beta · (x − max)) / Σ exp(beta · (x − max)), or its ``logarithm``."""

    KIND = "float_softmax"
    FAMILY = "activation"
    beta: float
    logarithm: bool

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.needed(0), ctx.outputs[0]
        _float.require_float(ctx, x, output)
        logarithm = ctx.builtin == "LOG_SOFTMAX"
        ctx.emit(cls(1.0 if logarithm else import_beta(ctx), logarithm), (x,), output)

    def output_dtype(self, x: Tensor) -> DType:
        """float32."""
        return DType.FLOAT32

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """In float64, rounded once."""
        x = present(arrays)[0]
        scaled = (x.astype(np.float64) - x.max(axis=-1, keepdims=True)) * self.beta
        exps = np.exp(scaled)
        if self.logarithm:
            return np.asarray(scaled - np.log(exps.sum(axis=-1, keepdims=True)), np.float32)
        return np.asarray(exps / exps.sum(axis=-1, keepdims=True), np.float32)
