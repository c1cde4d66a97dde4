# SPDX-License-Identifier: Apache-2.0
"""DEPTHWISE_CONV_2D of three by three taps on channel planes.

A word of a plane holds four columns; SXTB16 makes E = (x0, x2) and O = (x1, x3) of it. With (w0, w2) and w1 of each
kernel row in registers, an output takes two instructions a row, and two of four outputs a PKHTB more:

    out0 += x0·w0 + x2·w2  SMLAD  (E, w02)              out0 += x1·w1  SMLABB (O, w1)
    out1 += x1·w0 + x3·w2  SMLAD  (O, w02)              out1 += x2·w1  SMLATB (E, w1)
    out2 += x4·w2 + x2·w0  SMLADX (PKHTB(E, E'), w02)   out2 += x3·w1  SMLATB (O, w1)

Weights are stored as bytes and stand at 256 times their value once shifted and masked; so do the sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.layout import CHANNEL_PLANAR, INT16, ROW_MAJOR
from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.kernels._depthwise_planar_code import BLOCK, Shape, code
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._packed_gemm import channel_constants, folded_bias
from ascmcu.kernels._packed_work import open_bounds
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._requant import accumulator_bounds
from ascmcu.kernels._work import Work, inside, work
from ascmcu.m4.listing import Listing
from ascmcu.ops._fixed import I64, wrap32
from ascmcu.ops._quant import word_of
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D

KERNEL = (3, 3)
_MOST_WIDTH = 252  # a post-indexed load advances by no more
_MOST_CHANNELS = 1000


@dataclass(frozen=True)
class Params(Shape):
    """Compile-time constants of the row kernel, beyond what its assembly depends on."""

    stride_h: int
    dilation_h: int
    pad_top: int
    in_h: int
    out_w: int
    x_zero_point: int

    @property
    def code(self) -> Listing:
        """The assembly."""
        return code(self)

    @property
    def y_type(self) -> str:
        """C type of an output."""
        return "int16_t" if self.y_bytes == 2 else "int8_t"


@kernel(
    DepthwiseConv2D,
    reads=(CHANNEL_PLANAR,),
    writes=(ROW_MAJOR, INT16),
    cost=Cost(mac=1.3, output=13),
)
def lower(op: DepthwiseConv2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """One output per input channel, and a requantization that is exact in one multiplication. An int16 output is for a
    convolution that would widen it."""
    x, weights, bias = op.operands(inputs)
    channels, width = weights.shape[3], x.layout.width
    if weights.shape[1:3] != KERNEL or channels != x.shape[3] or op.dilation[1] != 1 or op.stride[1] > 2:
        return None
    if x.layout.left != op.padding[2] or x.dtype is not DType.INT8:
        return None
    y_bytes = output.stored_dtype.size_bytes
    if width > _MOST_WIDTH or channels * y_bytes > _MOST_CHANNELS:
        return None
    taps = weights.values.reshape(-1, channels).T
    requant = op.requantization(inputs, output)
    found = channel_constants(requant, accumulator_bounds(taps, bias.values, x), tuning)
    if found is None:
        return None
    out_w = output.shape[2]
    last = 5 if op.stride[1] == 1 and out_w % BLOCK == 1 and out_w > BLOCK else (out_w - 1) % BLOCK + 1
    params = Params(
        stride_h=op.stride[0],
        stride=op.stride[1],
        dilation_h=op.dilation[0],
        pad_top=op.padding[0],
        in_h=x.shape[1],
        out_w=out_w,
        width=width,
        channels=channels,
        x_zero_point=x.zero_point,
        fill=word_of(x.zero_point),
        blocks=(out_w - last) // BLOCK,
        last=last,
        may_miss=_may_miss(op, x.shape[1], output.shape[1]),
        shift=found.shift,
        signed=found.signed,
        low=requant.low,
        high=requant.high,
        y_bytes=y_bytes,
    )
    words = _packed(np.where(found.constant[:, np.newaxis], 0, taps))
    folded = folded_bias(found, taps.T, bias.values, x)
    # D first, M and C last: in the order in which the code reads them.
    scale, early = found.columns[:, :2], found.columns[:, 2:]
    constants = np.concatenate([early, folded[:, np.newaxis], words, scale], axis=1)
    return Lowered(
        params,
        (("constants", wrap32(constants).astype(np.int32)),),
        shift=found.shift,
        work=_work(params, output.shape[1]),
    )


def _work(k: Params, out_rows: int) -> Work:
    """All rows, a channel at a time: blocks of four outputs, then the last ones."""
    channels, taken = out_rows * k.channels, KERNEL[0] * out_rows
    missing = taken - sum(inside(out_rows, KERNEL[0], k.stride_h, k.dilation_h, k.pad_top, k.in_h))
    outputs = channels * k.out_w
    counts = {
        "channels": channels,
        "blocked": channels if k.blocks else 0,
        f"blocks_of_4_by_{k.stride}": channels * k.blocks,
        "block_loops": channels * k.blocks if k.blocks > 1 else 0,
        f"last_{k.last}_by_{k.stride}": channels,
        "missing": missing * k.channels * (k.blocks + 1),
        "checked": sum(k.may_miss) * channels * (k.blocks + 1),
        "signed": outputs if k.signed else 0,
        "bounded": outputs * open_bounds(k),
    }
    return work(counts)


def _may_miss(op: DepthwiseConv2D, in_h: int, out_h: int) -> tuple[bool, ...]:
    """Of each kernel row, whether it lies in the padding at some step."""
    first = [ky * op.dilation[0] - op.padding[0] for ky in range(KERNEL[0])]
    return tuple(row < 0 or (out_h - 1) * op.stride[0] + row >= in_h for row in first)


def _packed(taps: Array) -> I64:
    """(channels, 9) → (channels, 5) words, each with two taps times 256: left and right one of each kernel row, the
    middle ones of the first two, and that of the last."""
    w = 256 * taps.astype(np.int64).reshape(-1, 3, 3)
    pairs = [(w[:, row, 0], w[:, row, 2]) for row in range(3)]
    pairs += [(w[:, 0, 1], w[:, 1, 1]), (w[:, 2, 1], np.zeros_like(w[:, 2, 1]))]
    packed: I64 = np.stack([(low & 0xFFFF) | (high & 0xFFFF) << 16 for low, high in pairs], axis=1)
    return packed
