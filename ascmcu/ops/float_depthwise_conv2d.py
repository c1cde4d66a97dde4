"""DEPTHWISE_CONV_2D on float32 activations; weights float32, half precision or int8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, Lowered, TensorType
from ascmcu.ir.registry import register_float
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _conv, _float
from ascmcu.ops._float_conv import FloatConvolution
from ascmcu.ops._window import WindowParams


@dataclass(frozen=True)
class FloatDepthwiseConv2DParams:
    """Compile-time constants of the row kernel."""

    window: WindowParams
    multiplier: int
    stored: _float.Stored
    clamp: _float.Clamp


@register_float("DEPTHWISE_CONV_2D")
@dataclass(frozen=True)
class FloatDepthwiseConv2D(FloatConvolution):
    """y[…,c·m+j] = activation(b[c·m+j] + Σ w[0,ky,kx,c·m+j] · x[…,c]); inputs x, w, b.

    w is (1, kernel_h, kernel_w, C × multiplier) (tflite reference_ops::DepthwiseConv).
    """

    KIND = "float_depthwise_conv2d"
    CHANNELS = 3

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, C × multiplier)."""
        x, weights, _ = inputs
        assert x is not None and weights is not None
        _conv.check_multiplier(x, weights)
        return TensorType(self.output_shape(x, weights), DType.FLOAT32)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Summed in float64, rounded once."""
        x, weights, bias = arrays[0], inputs[1], inputs[2]
        assert x is not None and weights is not None and bias is not None
        wide = np.repeat(x, weights.shape[3] // x.shape[3], axis=3)
        view = self.views(wide.astype(np.float64), weights)
        total = np.einsum("nyxckl,klc->nyxc", view, _float.values(weights)[0].astype(np.float64))
        return _float.activated(total + _float.values(bias), self.activation).astype(np.float32)

    def lower(self, inputs: Inputs, output: Tensor) -> Lowered:
        """Weights are (C × multiplier, kernel_h, kernel_w), rounded up to whole words of halves."""
        x, weights, bias = inputs
        assert x is not None and weights is not None and bias is not None and weights.data is not None
        channels = weights.shape[3]
        taps = weights.data[0].transpose(2, 0, 1).reshape(channels, -1)
        if taps.shape[1] % 2 and weights.dtype is DType.FLOAT16:
            taps = np.pad(taps, ((0, 0), (0, 1)))
        constants = [("weights", _float.packed(weights, taps)), ("bias", _float.values(bias))]
        if weights.dtype is DType.INT8:
            assert weights.quant is not None
            scales = np.array(weights.quant.scales, np.float32)
            constants.append(("scales", np.ascontiguousarray(np.broadcast_to(scales, channels))))
        params = FloatDepthwiseConv2DParams(
            window=self.window_params(x, weights, output),
            multiplier=channels // x.shape[3],
            stored=_float.stored(weights),
            clamp=_float.clamp(self.activation),
        )
        return Lowered(params, tuple(constants))
