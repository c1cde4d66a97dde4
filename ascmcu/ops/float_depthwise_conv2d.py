"""DEPTHWISE_CONV_2D on float32 activations; weights float32, half precision or int8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Lowered, Op, RowMode, RowRule, Swapped, TensorType, swap_constants
from ascmcu.ir.registry import register_float
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _float, _quant, _window


@dataclass(frozen=True)
class FloatDepthwiseConv2DParams:
    """Compile-time constants of the row kernel."""

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
    multiplier: int
    stored: _float.Stored
    clamp: _float.Clamp


@register_float("DEPTHWISE_CONV_2D")
@dataclass(frozen=True)
class FloatDepthwiseConv2D(Op):
    """y[…,c·m+j] = activation(b[c·m+j] + Σ w[0,ky,kx,c·m+j] · x[…,c]); inputs x, w, b.

    w is (1, kernel_h, kernel_w, C × multiplier) (tflite reference_ops::DepthwiseConv).
    """

    KIND = "float_depthwise_conv2d"
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
        _float.require_float(ctx, x, output)
        _float.require_weights(ctx, weights, bias, weights.shape[3])
        stride, dilation = _window.import_strides(ctx), _window.import_dilations(ctx)
        kernel = (weights.shape[1], weights.shape[2])
        padding = _window.import_padding(ctx, (x.shape[1], x.shape[2]), kernel, stride, dilation)
        if bias is None:
            bias = ctx.constant(f"{output.name}.bias", np.zeros(weights.shape[3], np.float32))
        op = cls(stride, dilation, padding, _float.import_activation(ctx))
        ctx.emit(op, (x, weights, bias), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, C × multiplier)."""
        x, weights, _ = inputs
        assert x is not None and weights is not None
        if weights.shape[0] != 1 or x.shape[3] == 0 or weights.shape[3] % x.shape[3]:
            raise _quant.incompatible(
                "channels do not fit the weights", f"a divisor of {weights.shape[3]}", x.shape[3]
            )
        size = _window.output_size(x.shape[1:3], weights.shape[1:3], self.stride, self.dilation, self.padding)
        return TensorType((x.shape[0], *size, weights.shape[3]), DType.FLOAT32)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Summed in float64, rounded once."""
        x, weights, bias = arrays[0], inputs[1], inputs[2]
        assert x is not None and weights is not None and bias is not None
        multiplier = weights.shape[3] // x.shape[3]
        wide = np.repeat(x.astype(np.float64), multiplier, axis=3)
        kernel = (weights.shape[1], weights.shape[2])
        view = _window.windows(wide, kernel, self.stride, self.dilation, self.padding)
        total = np.einsum("nyxckl,klc->nyxc", view, _float.values(weights)[0].astype(np.float64))
        return _float.activated(total + _float.values(bias), self.activation).astype(np.float32)

    def macs(self, inputs: Inputs, output: Tensor) -> int:
        """One per tap and output element, padding included."""
        weights = inputs[1]
        assert weights is not None
        return output.elements * weights.shape[1] * weights.shape[2]

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """Attributes and weights exchanged."""
        padding = _window.swap_padding(self.padding)
        op = type(self)(self.stride[::-1], self.dilation[::-1], padding, self.activation)
        return Swapped(op, swap_constants(inputs))

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Kernel-height rows per output row."""
        weights = inputs[1]
        assert weights is not None
        reads = _window.window_reads(weights.shape[1], self.stride[0], self.dilation[0], self.padding[0])
        return RowRule(RowMode.MAP, output.rows, (reads, None, None))

    def lower(self, inputs: Inputs, output: Tensor) -> Lowered:
        """Weights are (C × multiplier, kernel_h, kernel_w), rounded up to whole words of halves."""
        x, weights, bias = inputs
        assert x is not None and weights is not None and bias is not None and weights.data is not None
        channels = weights.shape[3]
        taps = weights.data[0].transpose(2, 0, 1).reshape(channels, -1)
        if taps.shape[1] % 2 and weights.dtype is DType.FLOAT16:
            taps = np.pad(taps, ((0, 0), (0, 1)))
        constants = [("weights", _float.packed(weights, taps)), ("bias", _float.values(bias))]
        if weights.dtype is DType.INT8:
            assert weights.quant is not None
            scales = np.array(weights.quant.scales, np.float32)
            constants.append(("scales", np.ascontiguousarray(np.broadcast_to(scales, channels))))
        params = FloatDepthwiseConv2DParams(
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
            out_c=channels,
            multiplier=channels // x.shape[3],
            stored=_float.stored(weights),
            clamp=_float.clamp(self.activation),
        )
        return Lowered(params, tuple(constants))
