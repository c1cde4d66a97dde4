# SPDX-License-Identifier: Apache-2.0
"""DEPTHWISE_CONV_2D: each input channel is convolved on its own, ``multiplier`` times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, TensorType, present
from ascmcu.ir.ranges import Range
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._conv import check_multiplier
from ascmcu.ops._quant_conv import QuantizedConvolution
from ascmcu.ops._weighted import weighted_range


@register("DEPTHWISE_CONV_2D")
@dataclass(frozen=True)
class DepthwiseConv2D(QuantizedConvolution):
    """y[…,c·m+j] = clamp(requant(b[c·m+j] + Σ w[0,ky,kx,c·m+j] · (x[…,c] − zero point))); inputs x, w, b.

    w is (1, kernel_h, kernel_w, C × multiplier). Rounds twice (tflite reference_integer_ops::DepthwiseConvPerChannel).
    """

    KIND = "depthwise_conv2d"
    FAMILY = "depthwise"
    CHANNELS = 3

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, C × multiplier)."""
        x, weights, _ = self.operands(inputs)
        check_multiplier(x, weights)
        return TensorType(self.output_shape(x, weights), x.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Products are summed in int64."""
        x, weights, bias = present(arrays)
        centred = x.astype(np.int64) - self.operands(inputs).x.zero_point
        view = self.views(centred, weights)
        channels = x.shape[3]
        w = weights[0].astype(np.int64).reshape(*weights.shape[1:3], channels, -1)
        acc = np.einsum("nyxcij,ijcm->nyxcm", view, w, optimize=True)
        acc = acc.reshape(*acc.shape[:3], -1) + bias
        return self.requantization(inputs, output).apply(acc).astype(output.dtype.numpy)

    def channel_range(self, ranges: Sequence[Range | None], inputs: Inputs, output: Tensor) -> Range | None:
        """From the products of every tap with both ends of its input channel."""
        x, weights, bias = self.operands(inputs)
        source = ranges[0]
        if source is None:
            return None
        multiplier = weights.shape[3] // x.shape[3]
        w = weights.values.reshape(-1, weights.shape[3]).T.astype(np.int64)
        low, high = (
            w * (np.repeat(bound, multiplier)[:, None] - x.zero_point) for bound in (source.low, source.high)
        )
        requant = self.requantization(inputs, output)
        return weighted_range((low, high), bias.values, requant, padded=any(self.padding))
