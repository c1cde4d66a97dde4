# SPDX-License-Identifier: Apache-2.0
"""Base of RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR: sizes, and which rows become which."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Op, RowMode, RowReads, RowRule, Swapped, TensorType, present, whole_rule
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _quant
from ascmcu.ops._window import Pair


@dataclass(frozen=True)
class Along:
    """One axis: output i comes from inputs ``low[i]`` and ``high[i]``, the second weighted by ``weight[i]``."""

    low: Array
    high: Array
    weight: Array


@dataclass(frozen=True)
class Resize(Op):
    """Base: a map (1, H, W, C) in another ``size`` of height and width."""

    size: Pair
    align_corners: bool
    half_pixel: bool

    def along(self, extent: int, wanted: int) -> Along:
        """Where ``wanted`` outputs along an axis of ``extent`` come from."""
        raise NotImplementedError

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, *size, C)."""
        x = present(inputs)[0]
        return TensorType((x.shape[0], *self.size, x.shape[3]), x.dtype)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """The size exchanged."""
        return Swapped(dataclasses.replace(self, size=self.size[::-1]))

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Rows that an input row becomes, from it and its neighbours; all at once where their number is not whole."""
        x = present(inputs)[0]
        times, rest = divmod(output.rows, x.rows)
        if rest or not output.has_row_axis:
            return whole_rule(inputs)
        rows = self.along(x.rows, output.rows)
        offsets = np.concatenate([rows.low, rows.high]) - np.tile(np.arange(output.rows) // times, 2)
        first, last = int(offsets.min()), int(offsets.max())
        return RowRule(RowMode.MAP, x.rows, (RowReads(1, first, last - first + 1),), rows_per_step=times)

    def is_identity(self, x: Tensor, output: Tensor) -> bool:
        """The size that is there already."""
        return True

    def keeps_channels(self, x: Tensor) -> bool:
        """Channel by channel."""
        return True


def import_size(ctx: ImportContext) -> tuple[Tensor, Pair, bool, bool]:
    """Input, size, and the options."""
    x = ctx.needed(0)
    if len(x.shape) != 4:
        raise ctx.error("input must have four dimensions", x)
    height, width = (int(n) for n in ctx.const(1).reshape(-1))
    if min(height, width) < 1:
        raise ctx.error("the size must be positive", x, found=(height, width))
    if x.dtype.numpy.kind != "f":
        _quant.require_same(ctx, x, "resizing")
    align, half = bool(ctx.option("AlignCorners", False)), bool(ctx.option("HalfPixelCenters", False))
    if align and half:
        raise ctx.error("align_corners and half_pixel_centers exclude each other", x)
    return x, (height, width), align, half
