# SPDX-License-Identifier: Apache-2.0
"""CONV_2D and DEPTHWISE_CONV_2D on int16 in plain C, whatever window, groups and numbers: sums have 64 bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _wide
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops._window import WindowParams
from ascmcu.ops.wide_conv2d import WideConv2D
from ascmcu.ops.wide_depthwise_conv2d import WideDepthwiseConv2D


@dataclass(frozen=True)
class Params:
    """Compile-time constants; ``depth`` input channels of a group make ``width`` output channels. ``acc_type`` holds
    every sum."""

    window: WindowParams
    depth: int
    width: int
    acc_type: str
    bias_type: str
    low: int
    high: int


@kernel(WideConv2D, WideDepthwiseConv2D, cost=Cost(mac=9, output=40))
def lower(op: WideConv2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Weights are (O, kernel_h, kernel_w, depth)."""
    x, weights, bias = op.operands(inputs)
    groups, window = op.groups(x, weights), op.window_params(x, weights, output)
    taps = weights.values.transpose(3, 1, 2, 0) if op.CHANNELS == 3 else weights.values
    fits = _wide.fits_32_bits(taps.reshape(len(taps), -1), bias.values)
    requant = op.requantization(inputs, output)
    params = Params(
        window,
        x.shape[3] // groups,
        window.out_c // groups,
        "int32_t" if fits else "int64_t",
        "int32_t" if fits else "int64_t",
        requant.low,
        requant.high,
    )
    offsets = bias.values.astype(params.bias_type.removesuffix("_t"))
    constants = (("weights", np.ascontiguousarray(taps)), ("bias", offsets), *_wide.scales(requant))
    return Lowered(params, constants)
