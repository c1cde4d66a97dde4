# SPDX-License-Identifier: Apache-2.0
"""Base of 8-bit integer convolutions: import and requantization."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.ops import _conv, _quant


@dataclass(frozen=True)
class QuantizedConvolution(_conv.Convolution):
    """Base: clamp(requant(bias + Σ weight · (x − zero point))), rounded twice; inputs x, weights, bias int32.

    Weights are int8, or int16 where a zero point was taken off and 8 bits do not hold the rest."""

    clamp: tuple[int, int]

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the convolution; a missing bias becomes zeros."""
        x, weights, bias = _conv.import_operands(ctx)
        output, channels = ctx.outputs[0], weights.shape[cls.CHANNELS]
        _quant.require_quantized(ctx, x, output)
        weights = _quant.centred(ctx, weights, wide=True)
        _quant.require_weights(ctx, x, weights, bias, channels)
        _quant.require_ratio(ctx, x.scale, _quant.largest_scale(weights))
        window = _conv.import_window(ctx, x, weights)
        if bias is None:
            bias = ctx.constant(f"{output.name}.bias", _quant.zero_bias(channels))
        ctx.emit(cls(*window, _quant.import_activation(ctx, output)), (x, weights, bias), output)

    def requantization(self, inputs: Inputs, output: Tensor) -> _quant.Requantization:
        """Accumulator → output."""
        x, weights, _ = self.operands(inputs)
        channels = weights.shape[self.CHANNELS]
        return _quant.requantization(x, weights, output, channels, self.clamp, once=False)
