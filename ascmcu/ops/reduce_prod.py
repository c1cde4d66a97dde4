# SPDX-License-Identifier: Apache-2.0
"""REDUCE_PROD of shapes: static, so it is a constant at import."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Op
from ascmcu.ir.registry import register


@register("REDUCE_PROD")
@dataclass(frozen=True)
class ReduceProd(Op):
    """Never a node: the import defines its output as a constant, and refuses products of computed tensors."""

    KIND = "reduce_prod"
    REWRITTEN = True

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Define the output."""
        output, axes = ctx.outputs[0], tuple(int(a) for a in ctx.const(1).reshape(-1))
        product = np.prod(ctx.const(0), axis=axes, keepdims=bool(ctx.option("KeepDims", False)))
        ctx.define(output, np.asarray(product, output.dtype.numpy).reshape(output.shape))
