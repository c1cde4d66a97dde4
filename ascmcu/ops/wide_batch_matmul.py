# SPDX-License-Identifier: Apache-2.0
"""BATCH_MATMUL of int16."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register_wide
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _matmul, _quant, _scales, _wide


@register_wide("BATCH_MATMUL")
@dataclass(frozen=True)
class WideBatchMatmul(_matmul.Matmul):
    """y[…,m,n] = clamp(requant(Σ a[…,m,k] · b[…,n,k])), summed in 64 bits (tflite reference_ops::BatchMatMul)."""

    KIND = "wide_batch_matmul"

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the product; what has its vectors across is transposed first."""
        output = ctx.outputs[0]
        _wide.require_wide(ctx, *ctx.inputs[:2], output)
        _quant.require_scales(ctx, output)
        a, b = _matmul.import_operands(ctx, ctx.inputs[:2])
        _quant.require_ratio(ctx, a.scale, b.scale, most=_wide.MOST_SCALE)
        ctx.emit(cls(), (a, b), output)

    def requantization(self, inputs: Inputs, output: Tensor) -> _wide.WideRequantization:
        """Accumulator → output."""
        a, b = present(inputs)
        multiplier, shift = _scales.product_multiplier(a.scale, b.scale, over=output.scale)
        return _wide.WideRequantization((multiplier,), (shift,), *output.dtype.integer_range)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Products are summed in float64, which is exact below 2⁵³."""
        acc = _matmul.products(*(x.astype(np.float64) for x in present(arrays))).astype(np.int64)
        return self.requantization(inputs, output).apply(acc[..., None])[..., 0]
