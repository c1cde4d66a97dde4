# SPDX-License-Identifier: Apache-2.0
"""DEPTH_TO_SPACE: channels spread over the pixels of a block."""

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


@register("DEPTH_TO_SPACE")
@dataclass(frozen=True)
class DepthToSpace(Op):
    """y[n, h·p + i, w·q + j, c] = x[n, h, w, (i·q + j)·C + c] for a block of p × q, cut off at ``size``.

    With ``columns_first`` the block is walked column by column: the channel is (j·p + i)·C + c.
    """

    KIND = "depth_to_space"
    block: Pair
    size: Pair
    columns_first: bool

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.needed(0), ctx.outputs[0]
        block = int(ctx.option("BlockSize", 1))
        if len(x.shape) != 4 or block < 1:
            raise ctx.error("input must have four dimensions, and the block be positive", x, found=block)
        _quant.require_same(ctx, x, "moving depth to space")
        size = (x.shape[1] * block, x.shape[2] * block)
        ctx.emit(cls((block, block), size, False), (x,), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, *size, C / (p · q)).

        Raises:
            ModelError: the channels are no multiple of the block, or the size does not fit it.
        """
        x = present(inputs)[0]
        blocks = [-(-extent // b) for extent, b in zip(self.size, self.block, strict=True)]
        channels, rest = divmod(x.shape[3], self.block[0] * self.block[1])
        if rest or channels == 0 or blocks != list(x.shape[1:3]):
            raise _quant.incompatible("the block does not fit the input", self.block, x.shape)
        return TensorType((x.shape[0], *self.size, channels), x.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """A copy."""
        x = present(arrays)[0]
        (n, height, width, _), (p, q) = x.shape, self.block
        if self.columns_first:
            apart = x.reshape(n, height, width, q, p, -1).transpose(0, 1, 4, 2, 3, 5)
        else:
            apart = x.reshape(n, height, width, p, q, -1).transpose(0, 1, 3, 2, 4, 5)
        whole = apart.reshape(n, height * p, width * q, -1)
        return np.ascontiguousarray(whole[:, : self.size[0], : self.size[1]])

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """The block lies on its side; its channels stay in their order."""
        return Swapped(
            dataclasses.replace(
                self,
                block=self.block[::-1],
                size=self.size[::-1],
                columns_first=not self.columns_first,
            )
        )

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """An input row becomes the rows of its blocks."""
        x = present(inputs)[0]
        return RowRule(RowMode.MAP, x.rows, (RowReads(1, 0, 1),), rows_per_step=self.block[0])

    def is_identity(self, x: Tensor, output: Tensor) -> bool:
        """A block of one pixel."""
        return self.block == (1, 1)
