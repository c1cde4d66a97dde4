"""What convolutions on float32 activations share: their import, how rows flow, and the constants of their window."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Op, RowMode, RowRule, Swapped, swap_constants
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _float, _window


@dataclass(frozen=True)
class WindowParams:
    """Compile-time constants of a window on an input map."""

    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    pad_top: int
    pad_left: int
    in_h: int
    in_w: int
    in_c: int
    out_w: int
    out_c: int


@dataclass(frozen=True)
class FloatConvolution(Op):
    """A convolution of x (1, H, W, C) by constant weights of four dimensions, height and width in the middle."""

    # The axis of the weights that counts output channels.
    CHANNELS: ClassVar[int]
    stride: _window.Pair
    dilation: _window.Pair
    padding: _window.Padding
    activation: str

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the convolution; a missing bias becomes zeros."""
        x, weights, bias = (*ctx.inputs, None)[:3]
        output = ctx.outputs[0]
        if x is None or weights is None or len(weights.shape) != 4 or len(x.shape) != 4:
            raise ctx.error("input and weights must have four dimensions", x)
        channels = weights.shape[cls.CHANNELS]
        _float.require_float(ctx, x, output)
        _float.require_weights(ctx, weights, bias, channels)
        stride, dilation = _window.import_strides(ctx), _window.import_dilations(ctx)
        kernel = (weights.shape[1], weights.shape[2])
        padding = _window.import_padding(ctx, (x.shape[1], x.shape[2]), kernel, stride, dilation)
        if bias is None:
            bias = ctx.constant(f"{output.name}.bias", np.zeros(channels, np.float32))
        op = cls(stride, dilation, padding, _float.import_activation(ctx))
        ctx.emit(op, (x, weights, bias), output)

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
        weights = inputs[1]
        assert weights is not None
        reads = _window.window_reads(weights.shape[1], self.stride[0], self.dilation[0], self.padding[0])
        return RowRule(RowMode.MAP, output.rows, (reads, None, None))

    def views(self, x: Array, weights: Tensor) -> Array:
        """What lies under the window, in float64: (N, out_h, out_w, C, kernel_h, kernel_w)."""
        kernel = (weights.shape[1], weights.shape[2])
        return _window.windows(x.astype(np.float64), kernel, self.stride, self.dilation, self.padding)

    def output_size(self, x: Tensor, weights: Tensor) -> _window.Pair:
        """Output height and width."""
        kernel = weights.shape[1:3]
        return _window.output_size(x.shape[1:3], kernel, self.stride, self.dilation, self.padding)

    def window_params(self, x: Tensor, weights: Tensor, output: Tensor) -> WindowParams:
        """The window's constants."""
        return WindowParams(
            kernel_h=weights.shape[1],
            kernel_w=weights.shape[2],
            stride_h=self.stride[0],
            stride_w=self.stride[1],
            dilation_h=self.dilation[0],
            dilation_w=self.dilation[1],
            pad_top=self.padding[0],
            pad_left=self.padding[2],
            in_h=x.shape[1],
            in_w=x.shape[2],
            in_c=x.shape[3],
            out_w=output.shape[2],
            out_c=output.shape[3],
        )
