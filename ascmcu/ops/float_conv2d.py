# SPDX-License-Identifier: Apache-2.0
"""CONV_2D on float32 activations; weights float32, half precision or int8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, TensorType, present
from ascmcu.ir.registry import register_float
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _conv, _float
from ascmcu.ops._float_conv import FloatConvolution


@register_float("CONV_2D")
@dataclass(frozen=True)
class FloatConv2D(FloatConvolution):
    """y[n,oy,ox,o] = activation(b[o] + Σ w[o,ky,kx,i] · x[n,iy,ix,g·I+i]); inputs x, w, b.

    x is (1, H, W, C), w (O, kernel_h, kernel_w, C / groups), b (O) (tflite reference_ops::Conv).
    """

    KIND = "float_conv2d"
    FAMILY = "conv"
    CHANNELS = 0

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, O)."""
        x, weights, _ = self.operands(inputs)
        _conv.check_groups(x, weights)
        return TensorType(self.output_shape(x, weights), DType.FLOAT32)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Summed in float64, rounded once."""
        x, (_, weights, bias) = present(arrays)[0], self.operands(inputs)
        total = _conv.grouped_sums(self.views(x.astype(np.float64), weights), _float.values(weights))
        return _float.activated(total + _float.values(bias), self.activation).astype(np.float32)
