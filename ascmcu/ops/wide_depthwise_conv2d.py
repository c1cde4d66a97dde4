# SPDX-License-Identifier: Apache-2.0
"""DEPTHWISE_CONV_2D on int16 activations with int8 weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, TensorType, present
from ascmcu.ir.registry import register_wide
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _conv
from ascmcu.ops.wide_conv2d import WideConv2D


@register_wide("DEPTHWISE_CONV_2D")
@dataclass(frozen=True)
class WideDepthwiseConv2D(WideConv2D):
    """y[n,oy,ox,c·m+j] = clamp(requant(b + Σ w[0,ky,kx,c·m+j] · x[n,iy,ix,c])) with multiplier m; w is
    (1, kernel_h, kernel_w, C · m) (tflite reference_integer_ops::DepthwiseConvPerChannel)."""

    KIND = "wide_depthwise_conv2d"
    FAMILY = "depthwise"
    CHANNELS = 3

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, C · multiplier)."""
        x, weights, _ = self.operands(inputs)
        _conv.check_multiplier(x, weights)
        return TensorType(self.output_shape(x, weights), DType.INT16)

    def groups(self, x: Tensor, weights: Tensor) -> int:
        """One per input channel."""
        return x.shape[3]

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        x, weights, bias = present(arrays)
        views = self.views(x.astype(np.int64), weights)
        views = np.repeat(views, weights.shape[3] // x.shape[3], axis=3)
        sums = np.einsum("nyxckl,klc->nyxc", views, weights[0].astype(np.int64))
        return self.requantization(inputs, output).apply(sums + bias)
