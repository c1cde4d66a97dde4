# SPDX-License-Identifier: Apache-2.0
"""SHAPE: shapes are static, so it is a constant at import."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Op
from ascmcu.ir.registry import register


@register("SHAPE")
@dataclass(frozen=True)
class Shape(Op):
    """Never a node: the import defines its output as a constant."""

    KIND = "shape"
    REWRITTEN = True

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Define the output."""
        x, output = ctx.needed(0), ctx.outputs[0]
        ctx.define(output, np.array(x.shape, output.dtype.numpy))
