"""CONV_2D on float32 activations; weights float32, half precision or int8."""

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
class FloatConv2DParams:
    """Compile-time constants of the row kernel: ``groups`` of ``depth`` input and ``width`` output channels each."""

    window: WindowParams
    groups: int
    depth: int
    width: int
    stored: _float.Stored
    clamp: _float.Clamp


@register_float("CONV_2D")
@dataclass(frozen=True)
class FloatConv2D(FloatConvolution):
    """y[n,oy,ox,o] = activation(b[o] + Σ w[o,ky,kx,i] · x[n,iy,ix,g·I+i]); inputs x, w, b.

    x is (1, H, W, C), w (O, kernel_h, kernel_w, C / groups), b (O) (tflite reference_ops::Conv).
    """

    KIND = "float_conv2d"
    CHANNELS = 0

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, O)."""
        x, weights, _ = inputs
        assert x is not None and weights is not None
        _conv.check_groups(x, weights)
        return TensorType(self.output_shape(x, weights), DType.FLOAT32)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Summed in float64, rounded once."""
        x, weights, bias = arrays[0], inputs[1], inputs[2]
        assert x is not None and weights is not None and bias is not None
        total = _conv.grouped_sums(self.views(x.astype(np.float64), weights), _float.values(weights))
        return _float.activated(total + _float.values(bias), self.activation).astype(np.float32)

    def lower(self, inputs: Inputs, output: Tensor) -> Lowered:
        """Weights are (groups, O / groups / 4, kernel_h, kernel_w, C / groups, 4)."""
        x, weights, bias = inputs
        assert x is not None and weights is not None and bias is not None and weights.data is not None
        channels, depth = weights.shape[0], weights.shape[3]
        groups = x.shape[3] // depth
        block = _float.blocked(weights, bias, weights.data.reshape(channels, -1), groups)
        params = FloatConv2DParams(
            window=self.window_params(x, weights, output),
            groups=groups,
            depth=depth,
            width=channels // groups,
            stored=block.stored,
            clamp=_float.clamp(self.activation),
        )
        return Lowered(params, block.constants)
