# SPDX-License-Identifier: Apache-2.0
"""PAD and PADV2: a border of one value."""

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
from ascmcu.ir.ranges import Range
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _quant

Pairs = tuple[tuple[int, int], ...]


@register("PAD", "PADV2")
@dataclass(frozen=True)
class Pad(Op):
    """x with ``before`` and ``after`` elements of the raw integer ``value`` around it, per axis."""

    KIND = "pad"
    paddings: Pairs
    value: int

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """PAD fills with the zero point; PADV2 with its constant's raw integer (tflite pad.cc)."""
        x, output = ctx.needed(0), ctx.outputs[0]
        _quant.require_same(ctx, x, "padding")
        value = x.zero_point
        if ctx.builtin == "PADV2" and len(ctx.inputs) > 2:
            value = int(ctx.const(2).reshape(-1)[0])
        ctx.emit(cls(import_paddings(ctx, x), value), (x,), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """Extents grow."""
        x = present(inputs)[0]
        return TensorType(tuple(d + a + b for d, (a, b) in zip(x.shape, self.paddings, strict=True)), x.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """A padded copy."""
        x = present(arrays)[0]
        return np.pad(x, self.paddings, constant_values=self.value)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """Per-axis attributes exchanged."""
        return Swapped(Pad(swap_pair(self.paddings), self.value))

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Output row s is input row s − top, if there is one."""
        x = present(inputs)[0]
        if x.has_row_axis and output.has_row_axis:
            return RowRule(RowMode.MAP, output.rows, (RowReads(1, -self.paddings[1][0], 1),))
        return whole_rule(inputs)

    def is_identity(self, x: Tensor, output: Tensor) -> bool:
        """Where the shape stays, nothing is padded."""
        return True

    def keeps_channels(self, x: Tensor) -> bool:
        """Unless channels are padded."""
        return self.paddings[-1] == (0, 0)

    def channel_range(self, ranges: Sequence[Range | None], inputs: Inputs, output: Tensor) -> Range | None:
        """The input's and the value."""
        source = ranges[0]
        if source is None or self.paddings[-1] != (0, 0):
            return None
        return Range(np.minimum(source.low, self.value), np.maximum(source.high, self.value))


def import_paddings(ctx: ImportContext, x: Tensor) -> Pairs:
    """(before, after) per axis.

    Raises:
        ModelError: the operand does not name every axis, or a padding is negative.
    """
    raw = ctx.const(1)
    if raw.shape != (len(x.shape), 2) or int(raw.min(initial=0)) < 0:
        raise ctx.error(
            "paddings must be (axes, 2) and not negative", x, expected=(len(x.shape), 2), found=raw.shape
        )
    return tuple((int(a), int(b)) for a, b in raw)
