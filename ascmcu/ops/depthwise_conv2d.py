"""DEPTHWISE_CONV_2D: each input channel is convolved on its own, ``multiplier`` times."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import (
    DEFAULT_TUNING,
    Inputs,
    Lowered,
    Op,
    RowMode,
    RowRule,
    Swapped,
    TensorType,
    Tuning,
    swap_constants,
)
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _quant, _window
from ascmcu.ops._dot import channel_constants
from ascmcu.ops._fixed import I64, wrap32
from ascmcu.ops._planar import PlanarParams, planar_form
from ascmcu.ops._requant import RequantParams, accumulator_bounds, lower_requantization

_SCRATCH_BYTES = 1024


@dataclass(frozen=True)
class FoursParams:
    """Four channels of one column at a time, requantized as in the dot form."""

    shift: int
    signed: bool


@dataclass(frozen=True)
class DepthwiseConv2DParams:
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
    x_zero_point: int
    x_type: str
    y_type: str
    requant: RequantParams
    fours: FoursParams | None
    planar: None

    @property
    def zero_points(self) -> int:
        """The input's zero point in both halves of a word."""
        return (self.x_zero_point & 0xFFFF) * 0x00010001


@dataclass(frozen=True)
class DepthwisePlanarParams:
    """Compile-time constants of the planar form."""

    kernel_h: int
    stride_h: int
    stride_w: int
    dilation_h: int
    pad_top: int
    pad_left: int
    in_h: int
    in_w: int
    in_c: int
    x_zero_point: int
    x_type: str
    planar: PlanarParams


@register("DEPTHWISE_CONV_2D")
@dataclass(frozen=True)
class DepthwiseConv2D(Op):
    """y[…,c·m+j] = clamp(requant(b[c·m+j] + Σ w[0,ky,kx,c·m+j] · (x[…,c] − zero point))); inputs x, w, b.

    w is (1, kernel_h, kernel_w, C × multiplier). Rounds twice (tflite reference_integer_ops::DepthwiseConvPerChannel).
    """

    KIND = "depthwise_conv2d"
    stride: _window.Pair
    dilation: _window.Pair
    padding: _window.Padding
    clamp: tuple[int, int]

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the convolution; a missing bias becomes zeros."""
        x, weights, bias = (*ctx.inputs, None)[:3]
        output = ctx.outputs[0]
        if (
            x is None
            or weights is None
            or len(weights.shape) != 4
            or len(x.shape) != 4
            or weights.shape[0] != 1
        ):
            raise ctx.error("input and weights must have four dimensions, the weights' first being 1", x)
        _quant.require_quantized(ctx, x, output)
        _quant.require_weights(ctx, weights, bias, weights.shape[3])
        stride, dilation = _window.import_strides(ctx), _window.import_dilations(ctx)
        kernel = (weights.shape[1], weights.shape[2])
        padding = _window.import_padding(ctx, (x.shape[1], x.shape[2]), kernel, stride, dilation)
        if bias is None:
            bias = ctx.constant(f"{output.name}.bias", _quant.zero_bias(weights.shape[3]))
        clamp = _quant.import_activation(ctx, output)
        ctx.emit(cls(stride, dilation, padding, clamp), (x, weights, bias), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, C × multiplier)."""
        x, weights, _ = inputs
        assert x is not None and weights is not None
        if x.shape[3] == 0 or weights.shape[3] % x.shape[3]:
            raise _quant.incompatible(
                "channels do not fit the weights", f"a divisor of {weights.shape[3]}", x.shape[3]
            )
        size = _window.output_size(x.shape[1:3], weights.shape[1:3], self.stride, self.dilation, self.padding)
        return TensorType((x.shape[0], *size, weights.shape[3]), x.dtype)

    def requantization(self, inputs: Inputs, output: Tensor) -> _quant.Requantization:
        """Accumulator → output."""
        x, weights, _ = inputs
        assert x is not None and weights is not None
        return _quant.requantization(x, weights, output, weights.shape[3], self.clamp, once=False)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Products are summed in int64."""
        x, weights, bias = arrays
        assert x is not None and weights is not None and bias is not None and inputs[0] is not None
        centred = x.astype(np.int64) - inputs[0].zero_point
        view = _window.windows(centred, weights.shape[1:3], self.stride, self.dilation, self.padding)
        channels = x.shape[3]
        w = weights[0].astype(np.int64).reshape(*weights.shape[1:3], channels, -1)
        acc = np.einsum("nyxcij,ijcm->nyxcm", view, w, optimize=True)
        acc = acc.reshape(*acc.shape[:3], -1) + bias
        return self.requantization(inputs, output).apply(acc).astype(output.dtype.numpy)

    def macs(self, inputs: Inputs, output: Tensor) -> int:
        """One per tap and output element, padding included."""
        weights = inputs[1]
        assert weights is not None
        return output.elements * weights.shape[1] * weights.shape[2]

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """Attributes and weights exchanged."""
        op = type(self)(
            self.stride[::-1], self.dilation[::-1], _window.swap_padding(self.padding), self.clamp
        )
        return Swapped(op, swap_constants(inputs))

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Kernel-height rows per output row."""
        weights = inputs[1]
        assert weights is not None
        reads = _window.window_reads(weights.shape[1], self.stride[0], self.dilation[0], self.padding[0])
        return RowRule(RowMode.MAP, output.rows, (reads, None, None))

    def lower(self, inputs: Inputs, output: Tensor) -> Lowered:
        """See ``lower_tuned``."""
        return self.lower_tuned(inputs, output, DEFAULT_TUNING)

    def lower_tuned(self, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
        """The planar form; else weights stay (kernel_h, kernel_w, channels)."""
        x, weights, bias = inputs
        assert x is not None and weights is not None and bias is not None
        assert weights.data is not None and bias.data is not None
        taps = weights.data.reshape(-1, weights.shape[3]).T
        bounds = accumulator_bounds(taps, bias.data, x)
        planar = self._lower_planar(inputs, output, bounds, tuning)
        if planar is not None:
            return planar
        requantization = self.requantization(inputs, output)
        requant, constants = lower_requantization(requantization, bounds)
        w, b, fours = weights.data, bias.data, None
        found = channel_constants(requantization, bounds, tuning) if self._fours(x, weights, output) else None
        if found is not None:
            fours = FoursParams(found.shift, found.signed)
            constants = (("columns", wrap32(found.columns).astype(np.int32)),)
            w = np.where(found.constant, 0, w).astype(np.int8)
            b = np.where(found.constant, 0, b).astype(np.int32)
        params = DepthwiseConv2DParams(
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
            multiplier=weights.shape[3] // x.shape[3],
            x_zero_point=x.zero_point,
            x_type=x.dtype.c_name,
            y_type=output.dtype.c_name,
            requant=requant,
            fours=fours,
            planar=None,
        )
        shift = found.shift if found else None
        return Lowered(params, (("weights", w), ("bias", b), *constants), shift=shift)

    def _fours(self, x: Tensor, weights: Tensor, output: Tensor) -> bool:
        """Whether the plain form may take four channels of one column at a time."""
        narrow = weights.shape[2] == 1 and x.shape[2] == output.shape[2] and self.padding[2] == 0
        signed = all(t.dtype is DType.INT8 for t in (x, weights))
        return narrow and signed and x.shape[3] == weights.shape[3] and x.shape[3] % 4 == 0

    def _lower_planar(
        self, inputs: Inputs, output: Tensor, bounds: tuple[I64, I64], tuning: Tuning
    ) -> Lowered | None:
        """The planar form, where it is exact and the shape allows it."""
        x, weights, bias = inputs
        assert x is not None and weights is not None and bias is not None
        assert weights.data is not None and bias.data is not None
        if weights.shape[3] != x.shape[3] or self.dilation[1] != 1:
            return None
        form = planar_form(
            weights.data[0],
            bias.data,
            x,
            self.requantization(inputs, output),
            bounds,
            stride=self.stride[1],
            out_w=output.shape[2],
            # Blocks of a depthwise layer share nothing: smaller ones cost next to nothing.
            tuning=dataclasses.replace(tuning, scratch_bytes=min(tuning.scratch_bytes, _SCRATCH_BYTES)),
        )
        if form is None:
            return None
        params = DepthwisePlanarParams(
            kernel_h=weights.shape[1],
            stride_h=self.stride[0],
            stride_w=self.stride[1],
            dilation_h=self.dilation[0],
            pad_top=self.padding[0],
            pad_left=self.padding[2],
            in_h=x.shape[1],
            in_w=x.shape[2],
            in_c=x.shape[3],
            x_zero_point=x.zero_point,
            x_type=x.dtype.c_name,
            planar=form.params,
        )
        return Lowered(
            params,
            (("constants", form.constants),),
            scratch=(DType.INT16, form.params.scratch),
            shift=form.params.shift,
        )
