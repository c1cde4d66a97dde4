"""CONV_2D: a convolution with any kernel, stride, dilation, padding and number of groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, Lowered, TensorType, Tuning
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops._conv import check_groups, grouped_sums
from ascmcu.ops._dot import DotParams, dot_form, pair_order
from ascmcu.ops._fixed import I64
from ascmcu.ops._planes import Planes
from ascmcu.ops._quant import word_of
from ascmcu.ops._quant_conv import QuantizedConvolution
from ascmcu.ops._requant import RequantParams, accumulator_bounds, lower_requantization
from ascmcu.ops._window import WindowParams


@dataclass(frozen=True)
class Conv2DParams:
    """Compile-time constants of the row kernel."""

    window: WindowParams
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

    window: WindowParams
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
class Conv2D(QuantizedConvolution):
    """y[n,oy,ox,o] = clamp(requant(b[o] + Σ w[o,ky,kx,i] · (x[n,iy,ix,g·I+i] − zero point))); inputs x, w, b.

    x is (1, H, W, C), w (O, kernel_h, kernel_w, C / groups), b int32 (O). Rounds twice
    (tflite reference_integer_ops::ConvPerChannel).
    """

    KIND = "conv2d"
    CHANNELS = 0

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, O)."""
        x, weights, _ = inputs
        assert x is not None and weights is not None
        check_groups(x, weights)
        return TensorType(self.output_shape(x, weights), x.dtype)

    def groups(self, x: Tensor, weights: Tensor) -> int:
        """Number of groups, as the shapes tell."""
        return x.shape[3] // weights.shape[3]

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        x, weights, bias = arrays
        assert x is not None and weights is not None and bias is not None and inputs[0] is not None
        centred = x.astype(np.float64) - inputs[0].zero_point
        acc = grouped_sums(self.views(centred, weights), weights).astype(np.int64) + bias
        return self.requantization(inputs, output).apply(acc).astype(output.dtype.numpy)

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
            window=self.window_params(x, weights, output),
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
        if form is None or output.shape[3] > 4000:
            return None
        block = _block(output.shape[2], kernel_w, step, column, tuning.scratch_bytes)
        params = Conv2DDotParams(
            window=self.window_params(x, weights, output),
            x_zero_point=x.zero_point,
            x_type=x.dtype.c_name,
            column=column,
            skip=(self.stride[1] - step) * depth,
            block=block,
            planes=planes,
            fill=word_of(output.zero_point),
            dot=form.params,
        )
        scratch = 2 * column * ((block - 1) * step + kernel_w)
        return Lowered(
            params,
            form.arrays,
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
