"""DEPTHWISE_CONV_2D on float32 activations; weights float32, half precision or int8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ascmcu.ir.op import Inputs, Lowered, TensorType
from ascmcu.ir.registry import register_float
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _float, _float_conv, _quant


@dataclass(frozen=True)
class FloatDepthwiseConv2DParams:
    """Compile-time constants of the row kernel."""

    window: _float_conv.WindowParams
    multiplier: int
    stored: _float.Stored
    clamp: _float.Clamp


@register_float("DEPTHWISE_CONV_2D")
@dataclass(frozen=True)
class FloatDepthwiseConv2D(_float_conv.FloatConvolution):
    """y[…,c·m+j] = activation(b[c·m+j] + Σ w[0,ky,kx,c·m+j] · x[…,c]); inputs x, w, b.

    w is (1, kernel_h, kernel_w, C × multiplier) (tflite reference_ops::DepthwiseConv).
    """

    KIND = "float_depthwise_conv2d"
    CHANNELS: ClassVar[int] = 3

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, C × multiplier)."""
        x, weights, _ = inputs
        assert x is not None and weights is not None
        if weights.shape[0] != 1 or x.shape[3] == 0 or weights.shape[3] % x.shape[3]:
            raise _quant.incompatible(
                "channels do not fit the weights", f"a divisor of {weights.shape[3]}", x.shape[3]
            )
        return TensorType((x.shape[0], *self.output_size(x, weights), weights.shape[3]), DType.FLOAT32)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Summed in float64, rounded once."""
        x, weights, bias = arrays[0], inputs[1], inputs[2]
        assert x is not None and weights is not None and bias is not None
        wide = np.repeat(x, weights.shape[3] // x.shape[3], axis=3)
        view = self.views(wide, weights)
        total = np.einsum("nyxckl,klc->nyxc", view, _float.values(weights)[0].astype(np.float64))
        return _float.activated(total + _float.values(bias), self.activation).astype(np.float32)

    def macs(self, inputs: Inputs, output: Tensor) -> int:
        """One per tap and output element, padding included."""
        weights = inputs[1]
        assert weights is not None
        return output.elements * weights.shape[1] * weights.shape[2]

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
