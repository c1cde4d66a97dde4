# SPDX-License-Identifier: Apache-2.0
"""DEQUANTIZE: 8 bits to float32."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _quant
from ascmcu.ops._elementwise import Elementwise


@register("DEQUANTIZE")
@dataclass(frozen=True)
class Dequantize(Elementwise):
    """scale × (x − zero point) in double precision, rounded to float32 (tflite reference_ops::Dequantize)."""

    KIND = "dequantize"
    KEEPS_NUMBERS = True
    ELEMENTWISE = True

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.needed(0), ctx.outputs[0]
        if x.dtype is DType.FLOAT16 and x.data is not None:
            # Half-precision weights: whoever reads them widens them.
            ctx.define(dataclasses.replace(output, dtype=DType.FLOAT16), x.data)
            return
        ctx.require_dtype(x, *_quant.QUANTIZED, DType.INT16)
        _quant.require_scales(ctx, x)
        ctx.require_dtype(output, DType.FLOAT32)
        ctx.emit(cls(), (x,), output)

    def output_dtype(self, x: Tensor) -> DType:
        """float32."""
        return DType.FLOAT32

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """The product of a float32 scale and a 17-bit integer, rounded once, is the same in single precision."""
        x, source = present(arrays)[0], present(inputs)[0]
        centred = (x.astype(np.int32) - source.zero_point).astype(np.float32)
        return centred * np.float32(source.scale)
