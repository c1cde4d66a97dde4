# SPDX-License-Identifier: Apache-2.0
"""CONV_2D: a convolution with any kernel, stride, dilation, padding and number of groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, TensorType, present
from ascmcu.ir.ranges import Range
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._conv import check_groups, grouped_sums
from ascmcu.ops._quant_conv import QuantizedConvolution
from ascmcu.ops._weighted import weighted_range


@register("CONV_2D")
@dataclass(frozen=True)
class Conv2D(QuantizedConvolution):
    """y[n,oy,ox,o] = clamp(requant(b[o] + Σ w[o,ky,kx,i] · (x[n,iy,ix,g·I+i] − zero point))); inputs x, w, b.

    x is (1, H, W, C), w (O, kernel_h, kernel_w, C / groups), b int32 (O). Rounds twice
    (tflite reference_integer_ops::ConvPerChannel).
    """

    KIND = "conv2d"
    FAMILY = "conv"
    CHANNELS = 0

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, O)."""
        x, weights, _ = self.operands(inputs)
        check_groups(x, weights)
        return TensorType(self.output_shape(x, weights), x.dtype)

    def groups(self, x: Tensor, weights: Tensor) -> int:
        """Number of groups, as the shapes tell."""
        return x.shape[3] // weights.shape[3]

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        x, weights, bias = present(arrays)
        centred = x.astype(np.float64) - self.operands(inputs).x.zero_point
        acc = grouped_sums(self.views(centred, weights), weights).astype(np.int64) + bias
        return self.requantization(inputs, output).apply(acc).astype(output.dtype.numpy)

    def channel_range(self, ranges: Sequence[Range | None], inputs: Inputs, output: Tensor) -> Range | None:
        """From the products of every tap with both ends of its input channel."""
        x, weights, bias = self.operands(inputs)
        source = ranges[0]
        if source is None:
            return None
        channels, depth = weights.shape[0], weights.shape[3]
        first = np.arange(channels) // (channels // self.groups(x, weights)) * depth
        read = first[:, None, None, None] + np.arange(depth)
        w = weights.values.astype(np.int64)
        low, high = (
            (w * (bound[read] - x.zero_point)).reshape(channels, -1) for bound in (source.low, source.high)
        )
        requant = self.requantization(inputs, output)
        return weighted_range((low, high), bias.values, requant, padded=any(self.padding))
