# SPDX-License-Identifier: Apache-2.0
"""CONV_2D on int16 with int8 weights: the window of a pixel in a row, four channels side by side, by SMLAD."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels import _wide
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._quads import QUAD
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops._window import WindowParams
from ascmcu.ops.wide_conv2d import WideConv2D


@dataclass(frozen=True)
class Params(_wide.InQuads):
    """Compile-time constants; a pixel's ``taps`` lie in ``quads`` groups of four. ``direct`` says that they lie so in
    the input."""

    window: WindowParams
    taps: int
    quads: int
    groups: int
    direct: bool
    low: int
    high: int

    @property
    def row_taps(self) -> int:
        """Elements of one row of a window."""
        return self.window.kernel_w * self.window.in_c


@kernel(WideConv2D, cost=Cost(mac=1.6, output=30))
def lower(op: WideConv2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """One group, no dilation along the row, and sums that 32 bits hold."""
    x, weights, bias = op.operands(inputs)
    vectors = weights.values.reshape(weights.shape[0], -1)
    window = op.window_params(x, weights, output)
    if op.groups(x, weights) != 1 or window.dilation_w != 1 or not _wide.fits_32_bits(vectors, bias.values):
        return None
    requant = op.requantization(inputs, output)
    taps = vectors.shape[1]
    quads = -(-taps // QUAD)
    direct = window.kernel_h == window.kernel_w == 1 and taps % QUAD == 0 and not any(op.padding)
    groups = -(-window.out_c // _wide.GROUP)
    params = Params(window, taps, quads, groups, direct, requant.low, requant.high)
    constants = (
        ("weights", _wide.grouped(vectors)),
        ("bias", bias.values.astype("int32")),
        *_wide.scales(requant),
    )
    scratch = None if direct else (DType.INT16, params.filled)
    return Lowered(params, constants, scratch=scratch)
