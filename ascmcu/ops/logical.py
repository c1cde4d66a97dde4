# SPDX-License-Identifier: Apache-2.0
"""LOGICAL_AND, LOGICAL_OR and LOGICAL_NOT of computed booleans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _broadcast


@register("LOGICAL_AND", "LOGICAL_OR", "LOGICAL_NOT")
@dataclass(frozen=True)
class Logical(_broadcast.Broadcasting):
    """a and b, a or b; not a is a ≠ true."""

    KIND = "logical"
    function: str

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op on operands of equal rank."""
        if ctx.builtin == "LOGICAL_NOT":
            true = ctx.constant(f"{ctx.outputs[0].name}.true", np.ones((1,), np.bool_))
            ranked = ctx.needed(0), _broadcast.ranked(ctx, true)
        else:
            ranked = _broadcast.ranked_operands(ctx)
        for tensor in (*ranked, ctx.outputs[0]):
            ctx.require_dtype(tensor, DType.BOOL)
        ctx.emit(cls(ctx.builtin.removeprefix("LOGICAL_").lower()), ranked, ctx.outputs[0])

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Of booleans."""
        a, b = present(arrays)
        function = {"and": np.logical_and, "or": np.logical_or, "not": np.not_equal}[self.function]
        return np.asarray(function(a, b), np.bool_)
