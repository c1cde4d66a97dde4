# SPDX-License-Identifier: Apache-2.0
"""DEPTHWISE_CONV_2D with kernels one column wide: four channels of a column at a time, two to a word."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._packed_gemm import channel_constants
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._requant import accumulator_bounds
from ascmcu.kernels._work import Work, inside, work
from ascmcu.ops._fixed import wrap32
from ascmcu.ops._window import WindowParams
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D


@dataclass(frozen=True)
class Params:
    """Compile-time constants of the row kernel; outputs are requantized as those of the packed product are."""

    window: WindowParams
    x_zero_point: int
    x_type: str
    zero_point: int
    low: int
    high: int
    shift: int
    signed: bool

    @property
    def zero_points(self) -> int:
        """The input's zero point in both halves of a word."""
        return (self.x_zero_point & 0xFFFF) * 0x00010001


@kernel(DepthwiseConv2D, cost=Cost(mac=6, output=30))
def lower(op: DepthwiseConv2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """A multiple of four channels, one output each, and a requantization that is exact in one multiplication."""
    x, weights, bias = op.operands(inputs)
    channels = weights.shape[3]
    narrow = weights.shape[2] == 1 and x.shape[2] == output.shape[2] and op.padding[2] == 0
    signed = all(t.dtype is DType.INT8 for t in (x, weights))
    if not narrow or not signed or x.shape[3] != channels or channels % 4:
        return None
    taps = weights.values.reshape(-1, channels).T
    requant = op.requantization(inputs, output)
    found = channel_constants(requant, accumulator_bounds(taps, bias.values, x), tuning)
    if found is None:
        return None
    params = Params(
        window=op.window_params(x, weights, output),
        x_zero_point=x.zero_point,
        x_type=x.dtype.c_name,
        zero_point=requant.zero_point,
        low=requant.low,
        high=requant.high,
        shift=found.shift,
        signed=found.signed,
    )
    constants = (
        ("weights", np.where(found.constant, 0, weights.values).astype(np.int8)),
        ("bias", np.where(found.constant, 0, bias.values).astype(np.int32)),
        ("columns", wrap32(found.columns).astype(np.int32)),
    )
    return Lowered(params, constants, shift=found.shift, work=_work(params, output.shape[1]))


def _work(k: Params, out_rows: int) -> Work:
    """All rows, four channels of a column at a time."""
    w = k.window
    fours = w.out_w * w.out_c // 4
    taps = fours * sum(inside(out_rows, w.kernel_h, w.stride_h, w.dilation_h, w.pad_top, w.in_h))
    form = "signed_fours" if k.signed else "fours"
    return work(
        {"columns": out_rows * w.out_w, form: out_rows * fours, "taps": taps, "rows": out_rows * w.kernel_h}
    )
