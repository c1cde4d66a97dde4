# SPDX-License-Identifier: Apache-2.0
"""Base of convolutions of any number type: window, row rule, channel checks."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import (
    Columns,
    Inputs,
    Op,
    RowMode,
    RowRule,
    Span,
    Swapped,
    present,
    swap_constants,
    window_columns,
)
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _quant, _window


class Operands(NamedTuple):
    """The inputs of a convolution."""

    x: Tensor
    weights: Tensor
    bias: Tensor


@dataclass(frozen=True)
class Convolution(Op):
    """Base: a convolution of x (1, H, W, C) by constant weights of four dimensions, height and width in the middle."""

    # The axis of the weights that counts output channels.
    CHANNELS: ClassVar[int]
    stride: _window.Pair
    dilation: _window.Pair
    padding: _window.Padding

    def operands(self, inputs: Inputs) -> Operands:
        """The inputs, none of which may be absent."""
        return Operands(*present(inputs))

    def macs(self, inputs: Inputs, output: Tensor) -> int:
        """One per tap and output element, padding included."""
        weights = self.operands(inputs).weights
        return output.elements * weights.elements // weights.shape[self.CHANNELS]

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """Attributes and weights exchanged."""
        op = dataclasses.replace(
            self,
            stride=self.stride[::-1],
            dilation=self.dilation[::-1],
            padding=_window.swap_padding(self.padding),
        )
        return Swapped(op, swap_constants(inputs))

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Kernel-height rows per output row."""
        weights = self.operands(inputs).weights
        reads = _window.window_reads(weights.shape[1], self.stride[0], self.dilation[0], self.padding[0])
        return RowRule(RowMode.MAP, output.rows, (reads, None, None))

    def in_columns(self, inputs: Inputs, output: Tensor, span: Span) -> Columns | None:
        """The columns under the windows, with the padding that is beside them."""
        x, weights, _ = self.operands(inputs)
        window = (weights.shape[2], self.stride[1], self.dilation[1], self.padding[2])
        found = window_columns(x.shape[2], *window, span)
        if found is None:
            return None
        read, beside = found
        op = dataclasses.replace(self, padding=(*self.padding[:2], *beside))
        return Columns(op, (read, None, None), (0, 1, 2))

    def output_shape(self, x: Tensor, weights: Tensor) -> tuple[int, ...]:
        """(1, out_h, out_w, output channels)."""
        kernel = weights.shape[1:3]
        size = _window.output_size(x.shape[1:3], kernel, self.stride, self.dilation, self.padding)
        return (x.shape[0], *size, weights.shape[self.CHANNELS])

    def views(self, x: Array, weights: Tensor | Array) -> Array:
        """What lies under the window: (N, out_h, out_w, C, kernel_h, kernel_w)."""
        kernel = (weights.shape[1], weights.shape[2])
        return _window.windows(x, kernel, self.stride, self.dilation, self.padding)

    def window_params(self, x: Tensor, weights: Tensor, output: Tensor) -> _window.WindowParams:
        """The window's constants."""
        kernel = (weights.shape[1], weights.shape[2])
        return _window.params(x, output, kernel, self.stride, self.dilation, self.padding)


def import_operands(ctx: ImportContext) -> tuple[Tensor, Tensor, Tensor | None]:
    """Input, weights and, if there is one, bias."""
    x, weights, bias = (*ctx.inputs, None)[:3]
    if x is None or weights is None or len(weights.shape) != 4 or len(x.shape) != 4:
        raise ctx.error("input and weights must have four dimensions", x)
    return x, weights, bias


def import_window(
    ctx: ImportContext, x: Tensor, weights: Tensor
) -> tuple[_window.Pair, _window.Pair, _window.Padding]:
    """Stride, dilation and padding."""
    stride, dilation = _window.import_strides(ctx), _window.import_dilations(ctx)
    kernel = (weights.shape[1], weights.shape[2])
    padding = _window.import_padding(ctx, (x.shape[1], x.shape[2]), kernel, stride, dilation)
    return stride, dilation, padding


def check_groups(x: Tensor, weights: Tensor) -> None:
    """Weights (O, kernel_h, kernel_w, C / groups) fit the input's channels.

    Raises:
        ModelError: they do not.
    """
    channels, depth = weights.shape[0], weights.shape[3]
    if depth == 0 or x.shape[3] % depth or channels % (x.shape[3] // depth):
        raise _quant.incompatible(
            "input channels do not fit the weights", f"a multiple of {depth}", x.shape[3]
        )


def check_multiplier(x: Tensor, weights: Tensor) -> None:
    """Weights (1, kernel_h, kernel_w, C × multiplier) fit the input's channels.

    Raises:
        ModelError: they do not.
    """
    if weights.shape[0] != 1 or x.shape[3] == 0 or weights.shape[3] % x.shape[3]:
        raise _quant.incompatible(
            "channels do not fit the weights", f"a divisor of {weights.shape[3]}", x.shape[3]
        )


def grouped_sums(views: Array, weights: Array) -> Array:
    """(N, out_h, out_w, C, kernel_h, kernel_w) by (O, kernel_h, kernel_w, C / groups): (N, out_h, out_w, O).

    Products are summed in float64, which is exact below 2⁵³ where both are integers.
    """
    depth = weights.shape[3]
    groups = np.split(weights.astype(np.float64), views.shape[3] // depth)
    parts = [
        np.tensordot(views[:, :, :, g * depth : (g + 1) * depth], w, axes=((3, 4, 5), (3, 1, 2)))
        for g, w in enumerate(groups)
    ]
    return np.concatenate(parts, axis=-1)
