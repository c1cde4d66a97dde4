"""CONV2D_PLANES: a convolution that writes channel planes for a depthwise convolution. A pass makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.ir.op import Inputs, Lowered, TensorType, Tuning
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _quant
from ascmcu.ops._planes import NO_PLANES, Planes
from ascmcu.ops._requant import accumulator_bounds
from ascmcu.ops._settled import Settled
from ascmcu.ops.conv2d import Conv2D


@register()
@dataclass(frozen=True)
class Conv2DPlanes(Settled, Conv2D):
    """CONV_2D whose output is (1, H, C, plane width); ``planes`` are (first, columns, width) of ``_planes.Planes``."""

    KIND = "conv2d_planes"
    planes: tuple[int, int, int] = NO_PLANES

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, O, plane width)."""
        inside = super().infer(inputs)
        batch, height, columns, channels = inside.shape
        if columns != self.planes[1]:
            raise _quant.incompatible("the planes do not fit the map", columns, self.planes)
        return TensorType((batch, height, channels, self.planes[2]), inside.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """The convolution, spread."""
        return Planes(*self.planes).spread(super().evaluate(arrays, inputs, output), output.zero_point)

    def macs(self, inputs: Inputs, output: Tensor) -> int:
        """Those of the map inside."""
        return super().macs(inputs, Planes(*self.planes).inside(output))

    def lower_tuned(self, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
        """The dot form, which the pass has made sure of."""
        x, weights, bias = inputs
        assert x is not None and weights is not None and bias is not None
        assert weights.data is not None and bias.data is not None
        planes = Planes(*self.planes)
        bounds = accumulator_bounds(weights.data.reshape(weights.shape[0], -1), bias.data, x)
        lowered = self._lower_dot(inputs, planes.inside(output), bounds, tuning, planes)
        assert lowered is not None
        return lowered
