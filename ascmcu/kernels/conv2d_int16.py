# SPDX-License-Identifier: Apache-2.0
"""CONV_2D 1x1 by the packed product, on a map that the layer before has stored as int16."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.layout import CHANNEL_PLANAR, INT16, ROW_MAJOR, Layout
from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _packed_work
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._packed_gemm import GemmParams, packed_gemm
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._requant import accumulator_bounds
from ascmcu.m4.asm import MOST_OFFSET
from ascmcu.ops._quant import word_of
from ascmcu.ops.conv2d import Conv2D

_MOST_CHANNELS = 4000


@dataclass(frozen=True)
class Params:
    """Compile-time constants of the row kernel: ``width`` pixels of ``in_c`` channels; an output row is ``row_bytes``
    long. An output in ``planes`` is first filled with ``fill``, the zero point four times."""

    width: int
    in_c: int
    out_c: int
    row_bytes: int
    planes: Layout | None
    fill: int
    gemm: GemmParams


@kernel(Conv2D, reads=(INT16,), writes=(ROW_MAJOR, CHANNEL_PLANAR), cost=Cost(mac=0.94, output=15))
def lower(op: Conv2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """An even number of input channels, and a requantization that is exact in one multiplication."""
    x, weights, bias = op.operands(inputs)
    channels, _, _, depth = weights.shape
    planes = output.layout if output.layout.planar else None
    if not pointwise(op, x, weights) or depth % 2 or (planes and planes.width * channels > MOST_OFFSET):
        return None
    form = packed_gemm(
        weights.values.reshape(channels, depth),
        bias.values,
        x,
        op.requantization(inputs, output),
        accumulator_bounds(weights.values.reshape(channels, -1), bias.values, x),
        pixel_bytes=2 * depth,
        out_step=1 if planes else channels,
        channel_step=planes.width if planes else 1,
        tuning=tuning,
    )
    if form is None or channels > _MOST_CHANNELS:
        return None
    params = Params(
        width=x.shape[2],
        in_c=depth,
        out_c=channels,
        row_bytes=output.row_bytes,
        planes=planes,
        fill=word_of(output.zero_point),
        gemm=form.params,
    )
    work = _packed_work.run(params.gemm, params.width, two=params.width > 1) * x.shape[1]
    return Lowered(params, form.arrays, shift=form.params.shift, work=work)


def pointwise(op: Conv2D, x: Tensor, weights: Tensor) -> bool:
    """Whether each output pixel is made of the input pixel at its own place, by all channels."""
    return weights.shape[1:] == (1, 1, x.shape[3]) and op.stride == (1, 1) and not any(op.padding)
