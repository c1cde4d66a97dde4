# SPDX-License-Identifier: Apache-2.0
"""CONV2D_MAX_POOL: a convolution and the largest of each window of its outputs, made by a pass of CONV_2D and
MAX_POOL_2D."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.ir.op import (
    Columns,
    Inputs,
    RowMode,
    RowReads,
    RowRule,
    Span,
    Swapped,
    TensorType,
    window_columns,
)
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _window
from ascmcu.ops._quant_conv import QuantizedConvolution
from ascmcu.ops.conv2d import Conv2D
from ascmcu.ops.max_pool2d import MaxPool2D


@register()
@dataclass(frozen=True)
class Conv2DMaxPool(QuantizedConvolution):
    """max over ``pool`` of CONV_2D's outputs; windows side by side, not padded; inputs x, w, b as those of CONV_2D.

    Outputs of the convolution that no window reads are not computed.
    """

    KIND = "conv2d_max_pool"
    FAMILY = "conv"
    CHANNELS = 0
    # Height and width of a window of outputs, which is its stride too.
    pool: _window.Pair

    @property
    def convolution(self) -> Conv2D:
        """What comes first."""
        return Conv2D(self.stride, self.dilation, self.padding, self.clamp)

    @property
    def pooling(self) -> MaxPool2D:
        """What comes behind it."""
        return MaxPool2D(self.pool, self.pool, (0, 0, 0, 0), self.clamp)

    def middle(self, inputs: Inputs, output: Tensor) -> Tensor:
        """The convolution's output as a tensor that no graph holds."""
        return Tensor("middle", self.convolution.infer(inputs).shape, output.dtype, output.quant)

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, O)."""
        found = self.convolution.infer(inputs)
        return self.pooling.infer((Tensor("middle", found.shape, found.dtype),))

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """CONV_2D, then MAX_POOL_2D."""
        middle = self.middle(inputs, output)
        return self.pooling.evaluate([self.convolution.evaluate(arrays, inputs, middle)], (middle,), output)

    def macs(self, inputs: Inputs, output: Tensor) -> int:
        """One per tap of each output of the convolution that a window reads."""
        return super().macs(inputs, output) * self.pool[0] * self.pool[1]

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """Attributes and weights exchanged."""
        found = super().swapped(inputs, output)
        assert isinstance(found.op, Conv2DMaxPool)
        return Swapped(dataclasses.replace(found.op, pool=self.pool[::-1]), found.constants)

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """The rows under the convolutions of a window."""
        kernel = (self.operands(inputs).weights.shape[1] - 1) * self.dilation[0] + 1
        rows, stride = self.pool[0], self.stride[0]
        reads = RowReads(rows * stride, -self.padding[0], (rows - 1) * stride + kernel)
        return RowRule(RowMode.MAP, output.rows, (reads, None, None))

    def in_columns(self, inputs: Inputs, output: Tensor, span: Span) -> Columns | None:
        """The columns under the windows, with the padding that is beside them."""
        x, weights, _ = self.operands(inputs)
        columns, stride = self.pool[1], self.stride[1]
        reach = (columns - 1) * stride + (weights.shape[2] - 1) * self.dilation[1] + 1
        found = window_columns(x.shape[2], reach, columns * stride, 1, self.padding[2], span)
        if found is None:
            return None
        read, beside = found
        op = dataclasses.replace(self, padding=(*self.padding[:2], *beside))
        return Columns(op, (read, None, None), (0, 1, 2))
