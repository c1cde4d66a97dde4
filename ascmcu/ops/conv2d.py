"""CONV_2D: a convolution with any kernel, stride, dilation, padding and number of groups."""

from __future__ import annotations

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
from ascmcu.ops._dot import DotParams, dot_form, pair_order
from ascmcu.ops._fixed import I64
from ascmcu.ops._planes import Planes
from ascmcu.ops._requant import RequantParams, accumulator_bounds, lower_requantization


@dataclass(frozen=True)
class Conv2DParams:
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
    groups: int
    x_zero_point: int
    x_type: str
    y_type: str
    requant: RequantParams
    dot: None


@dataclass(frozen=True)
class Conv2DDotParams:
    """Compile-time constants of the dot form: ``block`` pixels' input columns are widened at a time, each ``column``
    int16 long (kernel rows of one column, made even), ``skip`` input bytes being left out between two. An output in
    ``planes`` is first filled with ``fill``, the zero point four times."""

    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    dilation_h: int
    pad_top: int
    pad_left: int
    in_h: int
    in_w: int
    in_c: int
    out_w: int
    out_c: int
    x_zero_point: int
    x_type: str
    column: int
    skip: int
    block: int
    planes: Planes | None
    fill: int
    dot: DotParams


@register("CONV_2D")
@dataclass(frozen=True)
class Conv2D(Op):
    """y[n,oy,ox,o] = clamp(requant(b[o] + Σ w[o,ky,kx,i] · (x[n,iy,ix,g·I+i] − zero point))); inputs x, w, b.

    x is (1, H, W, C), w (O, kernel_h, kernel_w, C / groups), b int32 (O). Rounds twice
    (tflite reference_integer_ops::ConvPerChannel).
    """

    KIND = "conv2d"
    stride: _window.Pair
    dilation: _window.Pair
    padding: _window.Padding
    clamp: tuple[int, int]

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the convolution; a missing bias becomes zeros."""
        x, weights, bias = (*ctx.inputs, None)[:3]
        output = ctx.outputs[0]
        if x is None or weights is None or len(weights.shape) != 4 or len(x.shape) != 4:
            raise ctx.error("input and weights must have four dimensions", x)
        _quant.require_quantized(ctx, x, output)
        _quant.require_weights(ctx, weights, bias, weights.shape[0])
        stride, dilation = _window.import_strides(ctx), _window.import_dilations(ctx)
        kernel = (weights.shape[1], weights.shape[2])
        padding = _window.import_padding(ctx, (x.shape[1], x.shape[2]), kernel, stride, dilation)
        if bias is None:
            bias = ctx.constant(f"{output.name}.bias", _quant.zero_bias(weights.shape[0]))
        clamp = _quant.import_activation(ctx, output)
        ctx.emit(cls(stride, dilation, padding, clamp), (x, weights, bias), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, O)."""
        x, weights, _ = inputs
        assert x is not None and weights is not None
        channels, kernel_h, kernel_w, depth = weights.shape
        if depth == 0 or x.shape[3] % depth or channels % (x.shape[3] // depth):
            raise _quant.incompatible(
                "input channels do not fit the weights", f"a multiple of {depth}", x.shape[3]
            )
        size = _window.output_size(
            x.shape[1:3], (kernel_h, kernel_w), self.stride, self.dilation, self.padding
        )
        return TensorType((x.shape[0], *size, channels), x.dtype)

    def groups(self, x: Tensor, weights: Tensor) -> int:
        """Number of groups, as the shapes tell."""
        return x.shape[3] // weights.shape[3]

    def requantization(self, inputs: Inputs, output: Tensor) -> _quant.Requantization:
        """Accumulator → output."""
        x, weights, _ = inputs
        assert x is not None and weights is not None
        return _quant.requantization(x, weights, output, weights.shape[0], self.clamp, once=False)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Products are summed in float64, which is exact below 2⁵³."""
        x, weights, bias = arrays
        assert x is not None and weights is not None and bias is not None and inputs[0] is not None
        kernel = weights.shape[1:3]
        centred = x.astype(np.float64) - inputs[0].zero_point
        view = _window.windows(centred, kernel, self.stride, self.dilation, self.padding)
        groups = x.shape[3] // weights.shape[3]
        parts = []
        for g, w in enumerate(np.split(weights.astype(np.float64), groups)):
            depth = w.shape[3]
            taps = view[:, :, :, g * depth : (g + 1) * depth]
            parts.append(np.tensordot(taps, w, axes=((3, 4, 5), (3, 1, 2))))
        acc = np.concatenate(parts, axis=-1).astype(np.int64) + bias
        return self.requantization(inputs, output).apply(acc).astype(output.dtype.numpy)

    def macs(self, inputs: Inputs, output: Tensor) -> int:
        """One per tap and output element, padding included."""
        weights = inputs[1]
        assert weights is not None
        return output.elements * weights.elements // weights.shape[0]

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
        """The dot form; else weights stay (O, kernel_h, kernel_w, I)."""
        x, weights, bias = inputs
        assert x is not None and weights is not None and bias is not None
        assert weights.data is not None and bias.data is not None
        bounds = accumulator_bounds(weights.data.reshape(weights.shape[0], -1), bias.data, x)
        dotted = self._lower_dot(inputs, output, bounds, tuning)
        if dotted is not None:
            return dotted
        requant, constants = lower_requantization(self.requantization(inputs, output), bounds)
        params = Conv2DParams(
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
            groups=self.groups(x, weights),
            x_zero_point=x.zero_point,
            x_type=x.dtype.c_name,
            y_type=output.dtype.c_name,
            requant=requant,
            dot=None,
        )
        return Lowered(params, (("weights", weights.data), ("bias", bias.data), *constants))

    def _lower_dot(
        self,
        inputs: Inputs,
        output: Tensor,
        bounds: tuple[I64, I64],
        tuning: Tuning,
        planes: Planes | None = None,
    ) -> Lowered | None:
        """The dot form, where it is exact and the shape allows it; ``planes`` says how the output is laid out."""
        x, weights, bias = inputs
        assert x is not None and weights is not None and bias is not None
        assert weights.data is not None and bias.data is not None
        kernel_h, kernel_w = weights.shape[1:3]
        channels, depth = x.shape[3], weights.shape[3]
        if channels != depth or self.dilation[1] != 1:
            return None
        column = -(-kernel_h * depth // 2) * 2
        # Columns that no pixel reads are not widened.
        apart = kernel_w == 1 and depth % 4 == 0 and self.padding[2] == 0
        apart &= (output.shape[2] - 1) * self.stride[1] < x.shape[2]
        step = 1 if apart else self.stride[1]
        form = dot_form(
            column_order(weights.data, column),
            bias.data,
            x,
            self.requantization(inputs, output),
            bounds,
            pixel_bytes=2 * column * step,
            out_step=1 if planes else output.shape[3],
            channel_step=planes.width if planes else 1,
            tuning=tuning,
        )
        if form is None or form.params.pixel_bytes + 4 * form.params.unroll > 4095 or output.shape[3] > 4000:
            return None
        block = _block(output.shape[2], kernel_w, step, column, tuning.scratch_bytes)
        params = Conv2DDotParams(
            kernel_h=kernel_h,
            kernel_w=kernel_w,
            stride_h=self.stride[0],
            stride_w=self.stride[1],
            dilation_h=self.dilation[0],
            pad_top=self.padding[0],
            pad_left=self.padding[2],
            in_h=x.shape[1],
            in_w=x.shape[2],
            in_c=channels,
            out_w=output.shape[2],
            out_c=output.shape[3],
            x_zero_point=x.zero_point,
            x_type=x.dtype.c_name,
            column=column,
            skip=(self.stride[1] - step) * depth,
            block=block,
            planes=planes,
            fill=(output.zero_point & 0xFF) * 0x01010101,
            dot=form.params,
        )
        scratch = 2 * column * ((block - 1) * step + kernel_w)
        return Lowered(
            params,
            (("weights", form.weights), ("constants", form.constants)),
            scratch=(DType.INT16, scratch // 2),
            shift=form.params.shift,
        )


def column_order(weights: Array, column: int) -> Array:
    """(O, kernel_h, kernel_w, C) → (O, taps) in the order of the widened columns: kx, then ky and channels, ``column``
    of them."""
    channels, kernel_h, kernel_w, depth = weights.shape
    ordered = weights.transpose(0, 2, 1, 3)[..., pair_order(depth)].reshape(
        channels, kernel_w, kernel_h * depth
    )
    padded = np.zeros((channels, kernel_w, column), np.int8)
    padded[..., : kernel_h * depth] = ordered
    return padded.reshape(channels, -1)


def _block(out_w: int, kernel_w: int, stride: int, column: int, scratch_bytes: int) -> int:
    """Pixels per block: the whole row if its columns fit the scratch, else an even number that does, at least two."""
    fitting = max((scratch_bytes // (2 * column) - kernel_w) // stride + 1, 2)
    return out_w if out_w <= fitting else fitting // 2 * 2
