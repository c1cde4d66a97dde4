# SPDX-License-Identifier: Apache-2.0
"""What an integer LSTM gives, out of its states; the import makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.ir.op import Inputs, Op, RowRule, TensorType, elementwise_rule, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor


@register()
@dataclass(frozen=True)
class LstmOutput(Op):
    """y = int8(states[…, skipped:]): the values are within 8 bits."""

    KIND = "lstm_output"
    skipped: int

    def infer(self, inputs: Inputs) -> TensorType:
        """The states without the cells'."""
        x = present(inputs)[0]
        return TensorType((*x.shape[:-1], x.shape[-1] - self.skipped), DType.INT8)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """A copy."""
        return present(arrays)[0][..., self.skipped :].astype(output.dtype.numpy)

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row."""
        return elementwise_rule(inputs, output)
