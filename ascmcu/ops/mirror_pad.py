# SPDX-License-Identifier: Apache-2.0
"""MIRROR_PAD: a border that mirrors the tensor."""

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
from ascmcu.ops import _quant
from ascmcu.ops.pad import Pairs, import_paddings

_MODES = {0: "reflect", 1: "symmetric"}  # tflite.MirrorPadMode


@register("MIRROR_PAD")
@dataclass(frozen=True)
class MirrorPad(Op):
    """x with a mirrored border; ``mode`` is ``reflect`` or ``symmetric``."""

    KIND = "mirror_pad"
    paddings: Pairs
    mode: str

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the padding."""
        x = ctx.needed(0)
        mode = _MODES.get(int(ctx.option("Mode", 0)))
        if mode is None:
            raise ctx.error("mirror mode is not known", x, expected=list(_MODES.values()))
        ctx.emit(cls(import_paddings(ctx, x), mode), (x,), ctx.outputs[0])

    def infer(self, inputs: Inputs) -> TensorType:
        """Extents grow by at most themselves."""
        x = present(inputs)[0]
        for d, (before, after) in zip(x.shape, self.paddings, strict=True):
            limit = d - (1 if self.mode == "reflect" else 0)
            if max(before, after) > limit:
                raise _quant.incompatible(
                    "mirror padding is wider than the tensor", f"at most {limit}", (before, after)
                )
        return TensorType(tuple(d + a + b for d, (a, b) in zip(x.shape, self.paddings, strict=True)), x.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """A padded copy."""
        x = present(arrays)[0]
        if self.mode == "reflect":
            return np.pad(x, self.paddings, mode="reflect")
        return np.pad(x, self.paddings, mode="symmetric")

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """Per-axis attributes exchanged."""
        return Swapped(MirrorPad(swap_pair(self.paddings), self.mode))

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row unless rows themselves are mirrored."""
        x = present(inputs)[0]
        if x.has_row_axis and output.has_row_axis and self.paddings[1] == (0, 0):
            return RowRule(RowMode.MAP, output.rows, (RowReads(1, 0, 1),))
        return whole_rule(inputs)

    def is_identity(self, x: Tensor, output: Tensor) -> bool:
        """Where the shape stays, nothing is padded."""
        return True
