# SPDX-License-Identifier: Apache-2.0
"""SQRT of int16."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register_wide
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _quant, _wide
from ascmcu.ops._elementwise import Elementwise
from ascmcu.ops.sqrt import root


@register_wide("SQRT")
@dataclass(frozen=True)
class WideSqrt(Elementwise):
    """√x over the output's scale in float32, cut off towards zero (tflite elementwise.cc). LiteRT refuses negative
    inputs; here they give 0."""

    KIND = "wide_sqrt"
    ELEMENTWISE = True
    FAMILY = "activation"

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.needed(0), ctx.outputs[0]
        _wide.require_wide(ctx, x, output)
        _quant.require_scales(ctx, x, output)
        ctx.emit(cls(), (x,), output)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        (x,), (source,) = present(arrays), present(inputs)
        return root(x, source, output).astype(output.dtype.numpy)
