# SPDX-License-Identifier: Apache-2.0
"""Base of convolutions on float32 activations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ops import _conv, _float
from ascmcu.ops._activation import import_activation


@dataclass(frozen=True)
class FloatConvolution(_conv.Convolution):
    """Base: activation(bias + Σ weight · x); inputs x, weights in one of the forms of ``_float``, bias."""

    activation: str

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the convolution; a missing bias becomes zeros."""
        x, weights, bias = _conv.import_operands(ctx)
        output, channels = ctx.outputs[0], weights.shape[cls.CHANNELS]
        _float.require_float(ctx, x, output)
        _float.require_weights(ctx, weights, bias, channels)
        window = _conv.import_window(ctx, x, weights)
        if bias is None:
            bias = ctx.constant(f"{output.name}.bias", np.zeros(channels, np.float32))
        ctx.emit(cls(*window, import_activation(ctx)), (x, weights, bias), output)
