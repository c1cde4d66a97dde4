# SPDX-License-Identifier: Apache-2.0
"""SELECT and SELECT_V2: elements of one tensor where a condition holds, else of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, TensorType, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _broadcast, _quant


@register("SELECT", "SELECT_V2")
@dataclass(frozen=True)
class Select(_broadcast.Broadcasting):
    """y = condition ? a : b, element by element, of any type; inputs the condition, a and b, which broadcast."""

    KIND = "select"

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op on operands of equal rank and quantization: LiteRT copies integers as they are."""
        condition, a, b = (ctx.needed(i) for i in range(3))
        output = ctx.outputs[0]
        ctx.require_dtype(condition, DType.BOOL)
        for tensor in (a, b):
            ctx.require_dtype(tensor, output.dtype)
            if tensor.quant != output.quant:
                raise ctx.error(
                    "operands and output must share one quantization", tensor,
                    expected=output.quant, found=tensor.quant,
                )  # fmt: skip
        if ctx.builtin == "SELECT" and len(condition.shape) == 1 and condition.elements > 1:
            raise ctx.error("a condition for each entry of the first axis is not supported", condition)
        ctx.emit(cls(), [_broadcast.ranked(ctx, t) for t in (condition, a, b)], output)

    def infer(self, inputs: Inputs) -> TensorType:
        """The broadcast shape.

        Raises:
            ModelError: the shapes do not broadcast.
        """
        condition, a, b = present(inputs)
        try:
            shape = np.broadcast_shapes(condition.shape, a.shape, b.shape)
        except ValueError as error:
            raise _quant.incompatible("operands do not broadcast", a.shape, b.shape) from error
        return TensorType(tuple(int(d) for d in shape), a.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """A copy."""
        condition, a, b = present(arrays)
        return np.where(condition, a, b)
