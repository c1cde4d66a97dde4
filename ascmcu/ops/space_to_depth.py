# SPDX-License-Identifier: Apache-2.0
"""SPACE_TO_DEPTH: the pixels of a block become channels of one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Op, RowMode, RowReads, RowRule, Swapped, TensorType, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _quant
from ascmcu.ops._window import Pair


@register("SPACE_TO_DEPTH")
@dataclass(frozen=True)
class SpaceToDepth(Op):
    """y[n, h, w, (i·q + j)·C + c] = x[n, h·p + i, w·q + j, c] for a block of p × q.

    With ``columns_first`` the block is walked column by column: the channel is (j·p + i)·C + c.
    """

    KIND = "space_to_depth"
    block: Pair
    columns_first: bool

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.needed(0), ctx.outputs[0]
        block = int(ctx.option("BlockSize", 1))
        if len(x.shape) != 4 or block < 1:
            raise ctx.error("input must have four dimensions, and the block be positive", x, found=block)
        _quant.require_same(ctx, x, "moving space to depth")
        ctx.emit(cls((block, block), False), (x,), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, H / p, W / q, C · p · q).

        Raises:
            ModelError: height or width are no multiple of the block.
        """
        x = present(inputs)[0]
        (n, height, width, channels), (p, q) = x.shape, self.block
        if height % p or width % q:
            raise _quant.incompatible("the block does not fit the input", self.block, x.shape)
        return TensorType((n, height // p, width // q, channels * p * q), x.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """A copy."""
        x = present(arrays)[0]
        (n, height, width, channels), (p, q) = x.shape, self.block
        apart = x.reshape(n, height // p, p, width // q, q, channels)
        order = (0, 1, 3, 4, 2, 5) if self.columns_first else (0, 1, 3, 2, 4, 5)
        return np.ascontiguousarray(apart.transpose(order)).reshape(output.shape)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """The block lies on its side; its channels stay in their order."""
        return Swapped(
            dataclasses.replace(self, block=self.block[::-1], columns_first=not self.columns_first)
        )

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Rows of blocks become a row."""
        rows = self.block[0]
        return RowRule(RowMode.MAP, output.rows, (RowReads(rows, 0, rows),))

    def is_identity(self, x: Tensor, output: Tensor) -> bool:
        """A block of one pixel."""
        return self.block == (1, 1)
