# SPDX-License-Identifier: Apache-2.0
"""L2_NORMALIZATION of float32 over the last axis."""

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

LEAST = 1e-6


@register_float("L2_NORMALIZATION")
@dataclass(frozen=True)
class FloatL2Normalization(Elementwise):
    """x / max(√Σx², 10⁻⁶) (tflite reference_ops::L2Normalization)."""

    KIND = "float_l2_normalization"
    FAMILY = "activation"

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.needed(0), ctx.outputs[0]
        _float.require_float(ctx, x, output)
        ctx.emit(cls(), (x,), output)

    def output_dtype(self, x: Tensor) -> DType:
        """float32."""
        return DType.FLOAT32

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """In float64, rounded once."""
        x = present(arrays)[0].astype(np.float64)
        norms = np.sqrt((x * x).sum(axis=-1, keepdims=True))
        return np.asarray(x / np.maximum(norms, np.float64(np.float32(LEAST))), np.float32)
