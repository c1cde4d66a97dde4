# SPDX-License-Identifier: Apache-2.0
"""CONV_2D 1x1 by the packed product, on a map of few columns, two rows at a time.

A row of an odd number of columns leaves one pixel without a partner. Two rows do not: each pixel goes with the one
under it, at the same distance for all, in the input as in the output. In a last row that has no other under it,
pixels beside each other go together; one of them is copied for that.
"""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.layout import CHANNEL_PLANAR, INT16, ROW_MAJOR, Layout
from ascmcu.ir.op import Inputs, RowMode, RowReads, RowRule
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels import _packed_work
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._packed_gemm import GemmParams, Pass, packed_gemm
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._requant import accumulator_bounds
from ascmcu.kernels._work import Work, work
from ascmcu.kernels.conv2d_int16 import pointwise
from ascmcu.kernels.conv2d_packed import column_order
from ascmcu.m4.asm import MOST_OFFSET
from ascmcu.ops._quant import word_of
from ascmcu.ops.conv2d import Conv2D

PAIR = 2
# Fewer have no whole group for the kernel.
_LEAST_CHANNELS = 4


@dataclass(frozen=True)
class Params:
    """Compile-time constants of the kernel: rows of ``width`` pixels of ``in_c`` channels, ``column`` int16 each once
    they are widened, as they are already with ``int16_input``; an output row is ``row_bytes`` long. An output in
    ``planes`` is first filled with ``fill``, the zero point four times."""

    rows: int
    width: int
    in_c: int
    out_c: int
    column: int
    int16_input: bool
    row_bytes: int
    planes: Layout | None
    fill: int
    gemm: GemmParams

    @property
    def odd(self) -> bool:
        """Whether the last row has none under it."""
        return self.rows % 2 == 1

    @property
    def fours(self) -> bool:
        """Whether a pixel is widened four channels at a time."""
        return self.in_c % 4 == 0

    @property
    def pairs_beside(self) -> int:
        """Pairs of pixels in a row."""
        return self.width // 2

    @property
    def moves(self) -> bool:
        """Whether pixels of an int16 map move to where they have the distance of two rows."""
        return self.int16_input and self.odd and self.pairs_beside > 0

    @property
    def alone(self) -> bool:
        """Whether the last row leaves a pixel without a partner."""
        return self.odd and self.width % 2 == 1

    @property
    def pixel_step(self) -> int:
        """From the outputs of a pixel to those of the one beside it."""
        return 1 if self.planes else self.out_c

    @property
    def row_elements(self) -> int:
        """int16 of a row of the input."""
        return self.width * self.in_c

    @property
    def beside_elements(self) -> int:
        """From a pixel back to that above the one beside it."""
        return (self.width - 1) * self.in_c

    @property
    def by_pixel(self) -> bool:
        """Whether single pixels are widened."""
        return not self.int16_input and (self.odd or not self.fours)

    @property
    def together(self) -> bool:
        """Whether one call takes all pixels of two rows: those of an int16 map need no widening in between."""
        return self.int16_input and self.gemm.tail == 0

    @property
    def across(self) -> Pass:
        """All pixels of two rows, each with the one under it."""
        return self.gemm.across(2 * self.in_c, self.pixel_step)

    @property
    def beside(self) -> Pass:
        """Two pixels of a last row that has no other under it."""
        return self.gemm.beside(self.pixel_step)


@kernel(
    Conv2D,
    reads=(ROW_MAJOR, INT16),
    writes=(ROW_MAJOR, CHANNEL_PLANAR),
    cost=Cost(mac=0.93, output=15, input=2),
)
def lower(op: Conv2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """Rows in pairs, and a requantization that is exact in one multiplication."""
    x, weights, bias = op.operands(inputs)
    if not (x.layout.row_pairs and output.layout.row_pairs and pointwise(op, x, weights)):
        return None
    _, rows, width, depth = x.shape
    channels, column, wide = weights.shape[0], -(-depth // 2) * 2, x.layout.int16
    planes = output.layout if output.layout.planar else None
    step = planes.width if planes else 1
    if output.row_bytes + 3 * step > MOST_OFFSET or channels < _LEAST_CHANNELS or (wide and depth % 2):
        return None
    form = packed_gemm(
        weights.values.reshape(channels, depth) if wide else column_order(weights.values, column),
        bias.values,
        x,
        op.requantization(inputs, output),
        accumulator_bounds(weights.values.reshape(channels, -1), bias.values, x),
        pixel_bytes=2 * column * (width if wide else 1),
        out_step=output.row_bytes,
        channel_step=step,
        tuning=tuning,
    )
    if form is None:
        return None
    params = Params(
        rows=rows,
        width=width,
        in_c=depth,
        out_c=channels,
        column=column,
        int16_input=wide,
        row_bytes=output.row_bytes,
        planes=planes,
        fill=word_of(output.zero_point),
        gemm=form.params,
    )
    return Lowered(
        params,
        form.arrays,
        scratch=None if wide else (DType.INT16, PAIR * column),
        shift=form.params.shift,
        work=_work(params),
        rule=RowRule(
            RowMode.MAP, -(-output.rows // PAIR), (RowReads(PAIR, 0, PAIR), None, None), rows_per_step=PAIR
        ),
    )


def _work(k: Params) -> Work:
    """All pairs of pixels: those of two rows, then those beside each other in a last row."""
    beside = -(-k.width // 2) if k.odd else 0
    under = k.width * (k.rows // PAIR)
    pixels = under + beside
    tails = _packed_work.tails(k.gemm, PAIR * under, two=True, calls=under)
    if k.odd:
        tails += _packed_work.tails(k.gemm, k.width, two=False, calls=k.width)
    if k.together:
        found = _packed_work.pairs(k.gemm, pixels, k.rows // PAIR + beside) + work({"pixels": beside})
    else:
        found = _packed_work.pairs(k.gemm, pixels, pixels) + tails + work({"pixels": pixels})
    if k.int16_input:
        return found
    both = _packed_work.widened(k.in_c // 4, PAIR) if k.fours else _packed_work.widened_bytes(k.in_c) * PAIR
    return found + both * under + _packed_work.widened_bytes(k.in_c) * (PAIR * beside)
