# SPDX-License-Identifier: Apache-2.0
"""TILE and BROADCAST_TO: a tensor several times along its axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import (
    Inputs,
    Op,
    RowMode,
    RowReads,
    RowRule,
    Swapped,
    TensorType,
    present,
    swap_pair,
    whole_rule,
)
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _broadcast, _quant


@register("TILE", "BROADCAST_TO")
@dataclass(frozen=True)
class Tile(Op):
    """y is x ``times`` along each axis, one after the other (tflite tile.cc, broadcast_to.cc)."""

    KIND = "tile"
    times: tuple[int, ...]

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op; BROADCAST_TO repeats axes of one entry, and those that are missing in front."""
        x, output = ctx.needed(0), ctx.outputs[0]
        _quant.require_same(ctx, x, "repeating")
        stated = tuple(int(n) for n in ctx.const(1).reshape(-1))
        if ctx.builtin == "BROADCAST_TO":
            x = _broadcast.ranked(ctx, x)
            extents = zip(stated, x.shape, strict=True)
            stated = tuple(n if extent == 1 else n // extent for n, extent in extents)
        if len(stated) != len(x.shape) or min(stated) < 1:
            raise ctx.error("every axis is repeated at least once", x, expected=len(x.shape), found=stated)
        ctx.emit(cls(stated), (x,), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """Extents times ``times``."""
        x = present(inputs)[0]
        return TensorType(tuple(d * n for d, n in zip(x.shape, self.times, strict=True)), x.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Copies."""
        return np.tile(present(arrays)[0], self.times)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """Per-axis attributes exchanged."""
        return Swapped(Tile(swap_pair(self.times)))

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Output row s is input row s, or the only one."""
        x = present(inputs)[0]
        if output.has_row_axis and (x.rows == 1 or self.times[1] == 1):
            return RowRule(RowMode.MAP, output.rows, (RowReads(int(x.rows > 1), 0, 1),))
        return whole_rule(inputs)

    def is_identity(self, x: Tensor, output: Tensor) -> bool:
        """Where the shape stays, nothing is repeated."""
        return True
