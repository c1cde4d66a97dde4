# SPDX-License-Identifier: Apache-2.0
"""PASTE: a strip put in its columns of a map. Only passes make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.errors import VerifyError
from ascmcu.ir.op import Inputs, Op, Permuted, RowMode, RowReads, RowRule, TensorType, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor


@register()
@dataclass(frozen=True)
class Paste(Op):
    """y (1, H, columns, C) = the second input, or zeros where there is none, with the first input (1, H, w, C) in
    columns begin … begin + w − 1.

    The generated code leaves columns that no strip was put in as they are in RAM: the strips of a pass fill all.
    """

    KIND = "paste"
    ELEMENTWISE = True
    begin: int
    columns: int

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, H, columns, C).

        Raises:
            VerifyError: the map has no such columns, or the second input is no such map.
        """
        strip, *base = present(inputs)
        shape = (*strip.shape[:2], self.columns, *strip.shape[3:])
        inside = len(strip.shape) == 4 and 0 <= self.begin <= self.columns - strip.shape[2]
        if not inside or any(t.shape != shape for t in base):
            raise VerifyError("the strip has no place in the map", where=strip.describe(), expected=shape)
        return TensorType(shape, strip.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """A copy."""
        strip, *base = present(arrays)
        y = base[0].copy() if base else np.zeros(output.shape, output.dtype.numpy)
        y[:, :, self.begin : self.begin + strip.shape[2]] = strip
        return y

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row."""
        return RowRule(RowMode.MAP, output.rows, tuple(RowReads(1, 0, 1) for _ in inputs))

    def permuted(self, permutation: Sequence[int]) -> Permuted | None:
        """It has columns."""
        return None
