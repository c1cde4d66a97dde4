"""CONV_2D on float32 activations; weights float32, half precision or int8."""

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
class FloatConv2DParams:
    """Compile-time constants of the row kernel: ``groups`` of ``depth`` input and ``width`` output channels each."""

    window: _float_conv.WindowParams
    groups: int
    depth: int
    width: int
    stored: _float.Stored
    clamp: _float.Clamp


@register_float("CONV_2D")
@dataclass(frozen=True)
class FloatConv2D(_float_conv.FloatConvolution):
    """y[n,oy,ox,o] = activation(b[o] + Σ w[o,ky,kx,i] · x[n,iy,ix,g·I+i]); inputs x, w, b.

    x is (1, H, W, C), w (O, kernel_h, kernel_w, C / groups), b (O) (tflite reference_ops::Conv).
    """

    KIND = "float_conv2d"
    CHANNELS: ClassVar[int] = 0

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, O)."""
        x, weights, _ = inputs
        assert x is not None and weights is not None
        channels, depth = weights.shape[0], weights.shape[3]
        if depth == 0 or x.shape[3] % depth or channels % (x.shape[3] // depth):
            raise _quant.incompatible(
                "input channels do not fit the weights", f"a multiple of {depth}", x.shape[3]
            )
        return TensorType((x.shape[0], *self.output_size(x, weights), channels), DType.FLOAT32)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Summed in float64, rounded once."""
        x, weights, bias = arrays[0], inputs[1], inputs[2]
        assert x is not None and weights is not None and bias is not None
        view = self.views(x, weights)
        depth = weights.shape[3]
        groups = np.split(_float.values(weights).astype(np.float64), x.shape[3] // depth)
        parts = [
            np.tensordot(view[:, :, :, g * depth : (g + 1) * depth], w, axes=((3, 4, 5), (3, 1, 2)))
            for g, w in enumerate(groups)
        ]
        total = np.concatenate(parts, axis=-1)
        return _float.activated(total + _float.values(bias), self.activation).astype(np.float32)

    def macs(self, inputs: Inputs, output: Tensor) -> int:
        """One per tap and output element, padding included."""
        weights = inputs[1]
        assert weights is not None
        return output.elements * weights.elements // weights.shape[0]

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
