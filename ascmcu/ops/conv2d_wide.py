"""CONV2D_WIDE: a 1x1 convolution on a map that the layer before has widened to int16. A pass makes it.

A depthwise convolution can store its bytes as halfwords for nothing; what reads them then need not widen them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.ir.graph import with_tensor
from ascmcu.ir.op import (
    DEFAULT_TUNING,
    Inputs,
    Lowered,
    RowMode,
    RowReads,
    RowRule,
    Swapped,
    TensorType,
    Tuning,
)
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops._dot import MOST_OFFSET, DotParams, dot_form
from ascmcu.ops._planes import NO_PLANES, Planes
from ascmcu.ops._requant import accumulator_bounds
from ascmcu.ops.conv2d import Conv2D
from ascmcu.ops.conv2d_planes import Conv2DPlanes


@dataclass(frozen=True)
class Conv2DWideParams:
    """Compile-time constants of the row kernel: ``width`` pixels of ``in_c`` channels; an output row is ``row_bytes``
    long. An output in ``planes`` is first filled with ``fill``, the zero point four times."""

    width: int
    in_c: int
    out_c: int
    row_bytes: int
    planes: Planes | None
    fill: int
    dot: DotParams


@register()
@dataclass(frozen=True)
class Conv2DWide(Conv2D):
    """CONV_2D 1x1 of an int16 map; the output is a map of int8, or channel planes where ``planes`` says so."""

    KIND = "conv2d_wide"
    planes: tuple[int, int, int] = NO_PLANES

    def _single(self) -> Conv2D:
        window = (self.stride, self.dilation, self.padding, self.clamp)
        return Conv2D(*window) if self.planes == NO_PLANES else Conv2DPlanes(*window, self.planes)

    def infer(self, inputs: Inputs) -> TensorType:
        """That of the convolution of bytes."""
        return self._single().infer(as_bytes(inputs))

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """That of the convolution of bytes."""
        return self._single().evaluate(arrays, as_bytes(inputs), output)

    def macs(self, inputs: Inputs, output: Tensor) -> int:
        """Those of the convolution of bytes."""
        return self._single().macs(inputs, output)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """Maps are widened after the axes are settled."""
        raise NotImplementedError

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row."""
        return RowRule(RowMode.MAP, output.rows, (RowReads(1, 0, 1), None, None))

    def lower_tuned(self, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
        """The dot form, which the pass has made sure of."""
        lowered = self.try_lower(inputs, output, tuning)
        assert lowered is not None
        return lowered

    def try_lower(self, inputs: Inputs, output: Tensor, tuning: Tuning = DEFAULT_TUNING) -> Lowered | None:
        """The dot form, or ``None`` where it would not be exact or has no room."""
        x, weights, bias = as_bytes(inputs)
        assert x is not None and weights is not None and bias is not None
        assert weights.data is not None and bias.data is not None
        _, _, width, depth = x.shape
        channels = weights.shape[0]
        planes = None if self.planes == NO_PLANES else Planes(*self.planes)
        if depth % 2 or (planes and planes.width * channels > MOST_OFFSET):
            return None
        form = dot_form(
            weights.data.reshape(channels, depth),
            bias.data,
            x,
            self.requantization((x, weights, bias), output),
            accumulator_bounds(weights.data.reshape(channels, -1), bias.data, x),
            pixel_bytes=2 * depth,
            out_step=1 if planes else channels,
            channel_step=planes.width if planes else 1,
            tuning=tuning,
        )
        if form is None or form.params.pixel_bytes + 4 * form.params.unroll > MOST_OFFSET or channels > 4000:
            return None
        params = Conv2DWideParams(
            width=width,
            in_c=depth,
            out_c=channels,
            row_bytes=output.row_bytes,
            planes=planes,
            fill=(output.zero_point & 0xFF) * 0x01010101,
            dot=form.params,
        )
        return Lowered(
            params, (("weights", form.weights), ("constants", form.constants)), shift=form.params.shift
        )


def as_bytes(inputs: Inputs) -> tuple[Tensor | None, ...]:
    """The inputs, the first as int8, which is what its values are."""
    x, *constants = inputs
    assert x is not None
    return (with_tensor(x, dtype=DType.INT8), *constants)
