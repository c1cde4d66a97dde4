# SPDX-License-Identifier: Apache-2.0
"""CONV_2D on int16 activations with int8 weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, TensorType, present
from ascmcu.ir.registry import register_wide
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _conv, _quant, _wide


@register_wide("CONV_2D")
@dataclass(frozen=True)
class WideConv2D(_conv.Convolution):
    """y[n,oy,ox,o] = clamp(requant(b[o] + Σ w[o,ky,kx,i] · x[n,iy,ix,g·I+i])); inputs x, w, b.

    x is (1, H, W, C) int16, w (O, kernel_h, kernel_w, C / groups) int8, b int64 (O)
    (tflite reference_integer_ops::ConvPerChannel).
    """

    KIND = "wide_conv2d"
    FAMILY = "conv"
    CHANNELS = 0
    clamp: tuple[int, int]

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the convolution; a missing bias becomes zeros."""
        x, weights, bias = _conv.import_operands(ctx)
        output = ctx.outputs[0]
        bias = _wide.require_weights(ctx, x, weights, bias, weights.shape[cls.CHANNELS])
        window = _conv.import_window(ctx, x, weights)
        ctx.emit(cls(*window, _quant.import_activation(ctx, output)), (x, weights, bias), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, O)."""
        x, weights, _ = self.operands(inputs)
        _conv.check_groups(x, weights)
        return TensorType(self.output_shape(x, weights), DType.INT16)

    def groups(self, x: Tensor, weights: Tensor) -> int:
        """Number of groups, as the shapes tell."""
        return x.shape[3] // weights.shape[3]

    def requantization(self, inputs: Inputs, output: Tensor) -> _wide.WideRequantization:
        """Accumulator → output."""
        x, weights, _ = self.operands(inputs)
        return _wide.requantization(x, weights, output, weights.shape[self.CHANNELS], self.clamp)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        x, weights, bias = present(arrays)
        sums = _conv.grouped_sums(self.views(x.astype(np.float64), weights), weights).astype(np.int64)
        return self.requantization(inputs, output).apply(sums + bias)
