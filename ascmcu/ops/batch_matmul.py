# SPDX-License-Identifier: Apache-2.0
"""BATCH_MATMUL of int8: products of matrices that are both computed, as attention has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _matmul, _quant, _scales


@register("BATCH_MATMUL")
@dataclass(frozen=True)
class BatchMatmul(_matmul.Matmul):
    """y[…,m,n] = clamp(requant(Σ (a[…,m,k] − zero point) · (b[…,n,k] − zero point))); rounds twice
    (tflite reference_ops::BatchMatMul)."""

    KIND = "batch_matmul"

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the product; what has its vectors across is transposed first."""
        output = ctx.outputs[0]
        for tensor in (ctx.needed(0), ctx.needed(1), output):
            ctx.require_dtype(tensor, DType.INT8)
            _quant.require_scales(ctx, tensor)
        a, b = _matmul.import_operands(ctx, ctx.inputs[:2])
        _quant.require_ratio(ctx, a.scale, b.scale)
        ctx.emit(cls(), (a, b), output)

    def requantization(self, inputs: Inputs, output: Tensor) -> _quant.Requantization:
        """Accumulator → output."""
        a, b = present(inputs)
        scale = _scales.product(a.scale, b.scale, over=output.scale)
        multiplier, shift = _scales.product_multiplier(a.scale, b.scale, over=output.scale)
        limits = output.dtype.integer_range
        return _quant.Requantization(
            (scale,), (multiplier,), (shift,), output.zero_point, *limits, once=False
        )

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Products are summed in float64, which is exact below 2⁵³."""
        centred = (
            x.astype(np.float64) - t.zero_point for x, t in zip(present(arrays), present(inputs), strict=True)
        )
        acc = _matmul.products(*centred).astype(np.int64)[..., None]
        requantized = self.requantization(inputs, output).apply(acc)[..., 0]
        return requantized.astype(output.dtype.numpy)
