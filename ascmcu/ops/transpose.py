# SPDX-License-Identifier: Apache-2.0
"""TRANSPOSE: axes in another order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Op, RowMode, RowReads, RowRule, TensorType, present, whole_rule
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _quant
from ascmcu.ops._space_to_batch import import_batch_to_space, import_space_to_batch


@register("TRANSPOSE", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")
@dataclass(frozen=True)
class Transpose(Op):
    """Axis i of the output is axis ``permutation[i]`` of the input."""

    KIND = "transpose"
    permutation: tuple[int, ...]

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the transpose, or the whole of what moves space to batch and back."""
        if ctx.builtin == "SPACE_TO_BATCH_ND":
            return import_space_to_batch(ctx, cls)
        if ctx.builtin == "BATCH_TO_SPACE_ND":
            return import_batch_to_space(ctx, cls)
        x = ctx.needed(0)
        rank = len(x.shape)
        permutation = tuple(int(p) + (rank if p < 0 else 0) for p in ctx.const(1).reshape(-1))
        ctx.emit(cls(permutation), (x,), ctx.outputs[0])

    def infer(self, inputs: Inputs) -> TensorType:
        """The permuted shape."""
        x = present(inputs)[0]
        if sorted(self.permutation) != list(range(len(x.shape))):
            raise _quant.incompatible(
                "not a permutation of the axes", list(range(len(x.shape))), self.permutation
            )
        return TensorType(tuple(x.shape[p] for p in self.permutation), x.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """A copy."""
        x = present(arrays)[0]
        return np.ascontiguousarray(x.transpose(self.permutation))

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row when batch and rows stay in place."""
        x = present(inputs)[0]
        if x.has_row_axis and self.permutation[:2] == (0, 1):
            return RowRule(RowMode.MAP, output.rows, (RowReads(1, 0, 1),))
        return whole_rule(inputs)

    def is_identity(self, x: Tensor, output: Tensor) -> bool:
        """Whether only axes of a single entry change places."""
        moved = [axis for axis in self.permutation if x.shape[axis] > 1]
        return moved == sorted(moved)
