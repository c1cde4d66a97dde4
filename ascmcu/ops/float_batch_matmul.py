# SPDX-License-Identifier: Apache-2.0
"""BATCH_MATMUL of float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register_float
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _float, _matmul


@register_float("BATCH_MATMUL")
@dataclass(frozen=True)
class FloatBatchMatmul(_matmul.Matmul):
    """y[…,m,n] = Σ a[…,m,k] · b[…,n,k] (tflite reference_ops::BatchMatMul)."""

    KIND = "float_batch_matmul"

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the product; what has its vectors across is transposed first, and constants are widened."""
        output = ctx.outputs[0]
        operands = [_real(ctx, ctx.needed(i)) for i in (0, 1)]
        _float.require_float(ctx, *operands, output)
        a, b = _matmul.import_operands(ctx, operands)
        ctx.emit(cls(), (a, b), output)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Summed in float64, rounded once."""
        a, b = present(arrays)
        return _matmul.products(a.astype(np.float64), b.astype(np.float64)).astype(np.float32)


def _real(ctx: ImportContext, tensor: Tensor) -> Tensor:
    """A constant of a dynamic-range or half-precision model as float32; others as they are."""
    if tensor.data is None or tensor.dtype is DType.FLOAT32:
        return tensor
    ctx.require_dtype(tensor, *_float.WEIGHTS)
    _float.require_scales(ctx, tensor)
    return ctx.constant(f"{tensor.name}.real", _float.values(tensor))
