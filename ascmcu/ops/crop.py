# SPDX-License-Identifier: Apache-2.0
"""CROP: some columns of a map, taken once another tensor is complete. Only passes make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.errors import VerifyError
from ascmcu.ir.op import Inputs, Op, RowMode, RowReads, RowRule, TensorType, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor


@register()
@dataclass(frozen=True)
class Crop(Op):
    """y = x[:, :, begin : begin + size]; inputs x (1, H, W, C) and, if there is one, the tensor that is waited for."""

    KIND = "crop"
    begin: int
    size: int

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, H, size, C).

        Raises:
            VerifyError: the columns are not there.
        """
        x = present(inputs)[0]
        if len(x.shape) != 4 or not 0 <= self.begin < self.begin + self.size <= x.shape[2]:
            raise VerifyError(
                "the map does not have these columns",
                where=x.describe(),
                found=f"{self.begin} … {self.begin + self.size - 1}",
            )
        return TensorType((*x.shape[:2], self.size, x.shape[3]), x.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """A copy."""
        return present(arrays)[0][:, :, self.begin : self.begin + self.size].copy()

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row, behind the whole second operand."""
        waited = (RowReads(0, 0, t.rows, waits=True) for t in present(inputs)[1:])
        return RowRule(RowMode.MAP, output.rows, (RowReads(1, 0, 1), *waited))
