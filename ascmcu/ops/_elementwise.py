# SPDX-License-Identifier: Apache-2.0
"""Base of unary element-wise ops."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, Op, RowRule, Swapped, TensorType, elementwise_rule, present
from ascmcu.ir.types import DType, Tensor


@dataclass(frozen=True)
class Elementwise(Op):
    """Base: an element is computed from the one in its place, or from all along the last axis, which is never rows."""

    def output_dtype(self, x: Tensor) -> DType:
        """Element type of the output; the input's unless an op says otherwise."""
        return x.dtype

    def infer(self, inputs: Inputs) -> TensorType:
        """The input's shape."""
        x = present(inputs)[0]
        return TensorType(x.shape, self.output_dtype(x))

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """Elements stay together with what they are computed from: nothing changes."""
        return Swapped(self)

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row."""
        return elementwise_rule(inputs, output)
