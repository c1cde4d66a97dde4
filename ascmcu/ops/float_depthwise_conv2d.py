# SPDX-License-Identifier: Apache-2.0
"""DEPTHWISE_CONV_2D on float32 activations; weights float32, half precision or int8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, TensorType, present
from ascmcu.ir.registry import register_float
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _conv, _float
from ascmcu.ops._float_conv import FloatConvolution


@register_float("DEPTHWISE_CONV_2D")
@dataclass(frozen=True)
class FloatDepthwiseConv2D(FloatConvolution):
    """y[…,c·m+j] = activation(b[c·m+j] + Σ w[0,ky,kx,c·m+j] · x[…,c]); inputs x, w, b.

    w is (1, kernel_h, kernel_w, C × multiplier) (tflite reference_ops::DepthwiseConv).
    """

    KIND = "float_depthwise_conv2d"
    FAMILY = "depthwise"
    CHANNELS = 3

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, C × multiplier)."""
        x, weights, _ = self.operands(inputs)
        _conv.check_multiplier(x, weights)
        return TensorType(self.output_shape(x, weights), DType.FLOAT32)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Summed in float64, rounded once."""
        x, (_, weights, bias) = present(arrays)[0], self.operands(inputs)
        wide = np.repeat(x, weights.shape[3] // x.shape[3], axis=3)
        view = self.views(wide.astype(np.float64), weights)
        total = np.einsum("nyxckl,klc->nyxc", view, _float.values(weights)[0].astype(np.float64))
        return _float.activated(total + _float.values(bias), self.activation).astype(np.float32)
