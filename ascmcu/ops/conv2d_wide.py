"""CONV2D_WIDE: a 1x1 convolution on a map that the layer before has widened to int16. A pass makes it.

A depthwise convolution can store its bytes as halfwords for nothing; what reads them then need not widen them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import DEFAULT_TUNING, Inputs, Lowered, RowMode, RowReads, RowRule, Tuning
from ascmcu.ir.registry import register
from ascmcu.ir.types import Tensor
from ascmcu.ops import _quant
from ascmcu.ops._dot import MOST_OFFSET, DotParams, dot_form
from ascmcu.ops._planes import Planes
from ascmcu.ops._pointwise import Pointwise, as_bytes
from ascmcu.ops._requant import accumulator_bounds


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
class Conv2DWide(Pointwise):
    """CONV_2D 1x1 of an int16 map; the output is a map of int8, or channel planes where ``planes`` says so."""

    KIND = "conv2d_wide"

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row."""
        return RowRule(RowMode.MAP, output.rows, (RowReads(1, 0, 1), None, None))

    def try_lower(self, inputs: Inputs, output: Tensor, tuning: Tuning = DEFAULT_TUNING) -> Lowered | None:
        """The dot form, or ``None`` where it would not be exact or has no room."""
        x, weights, bias = as_bytes(inputs)
        assert x is not None and weights is not None and bias is not None
        assert weights.data is not None and bias.data is not None
        _, _, width, depth = x.shape
        channels = weights.shape[0]
        planes = self.layout
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
        if form is None or channels > 4000:
            return None
        params = Conv2DWideParams(
            width=width,
            in_c=depth,
            out_c=channels,
            row_bytes=output.row_bytes,
            planes=planes,
            fill=_quant.word_of(output.zero_point),
            dot=form.params,
        )
        return Lowered(params, form.arrays, shift=form.params.shift)
