"""CONV2D_PAIRS: a 1x1 convolution on a map of few columns that takes two rows at a time. A pass makes it.

A row of an odd number of columns leaves one pixel without a partner. Two rows do not: each pixel goes with the one
under it, at the same distance for all, in the input as in the output.
"""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import DEFAULT_TUNING, Inputs, Lowered, RowMode, RowReads, RowRule, Tuning
from ascmcu.ir.registry import register
from ascmcu.ir.types import DType, Tensor
from ascmcu.ops import _quant
from ascmcu.ops._dot import MOST_OFFSET, DotParams, dot_form
from ascmcu.ops._planes import Planes
from ascmcu.ops._pointwise import Pointwise, as_bytes
from ascmcu.ops._requant import accumulator_bounds
from ascmcu.ops.conv2d import column_order

PAIR = 2
# Fewer have no whole group for the kernel.
_LEAST_CHANNELS = 4


@dataclass(frozen=True)
class Conv2DPairsParams:
    """Compile-time constants of the kernel: rows of ``width`` pixels of ``in_c`` channels, ``column`` int16 each once
    widened, which a ``wide`` input is already; an output row is ``row_bytes`` long. An output in ``planes`` is first
    filled with ``fill``, the zero point four times."""

    rows: int
    width: int
    in_c: int
    out_c: int
    column: int
    wide: bool
    row_bytes: int
    planes: Planes | None
    fill: int
    dot: DotParams


@register()
@dataclass(frozen=True)
class Conv2DPairs(Pointwise):
    """CONV_2D 1x1 by two rows; the output is a map, or channel planes where ``planes`` says so."""

    KIND = "conv2d_pairs"

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Two rows make two."""
        steps = -(-output.rows // PAIR)
        return RowRule(RowMode.MAP, steps, (RowReads(PAIR, 0, PAIR), None, None), rows_per_step=PAIR)

    def try_lower(self, inputs: Inputs, output: Tensor, tuning: Tuning = DEFAULT_TUNING) -> Lowered | None:
        """The dot form, or ``None`` where it would not be exact or has no room."""
        x, weights, bias = as_bytes(inputs)
        assert x is not None and weights is not None and bias is not None
        wide = inputs[0] is not None and inputs[0].dtype is DType.INT16
        assert weights.data is not None and bias.data is not None
        _, rows, width, depth = x.shape
        channels, column = weights.shape[0], -(-depth // 2) * 2
        planes = self.layout
        step = planes.width if planes else 1
        if output.row_bytes + 3 * step > MOST_OFFSET or channels < _LEAST_CHANNELS or (wide and depth % 2):
            return None
        form = dot_form(
            weights.data.reshape(channels, depth) if wide else column_order(weights.data, column),
            bias.data,
            x,
            self.requantization((x, weights, bias), output),
            accumulator_bounds(weights.data.reshape(channels, -1), bias.data, x),
            pixel_bytes=2 * column * (width if wide else 1),
            out_step=output.row_bytes,
            channel_step=step,
            tuning=tuning,
        )
        if form is None:
            return None
        params = Conv2DPairsParams(
            rows=rows,
            width=width,
            in_c=depth,
            out_c=channels,
            column=column,
            wide=wide,
            row_bytes=output.row_bytes,
            planes=planes,
            fill=_quant.word_of(output.zero_point),
            dot=form.params,
        )
        return Lowered(
            params,
            form.arrays,
            scratch=None if wide else (DType.INT16, PAIR * column),
            shift=form.params.shift,
        )
