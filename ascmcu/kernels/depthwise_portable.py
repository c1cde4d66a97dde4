# SPDX-License-Identifier: Apache-2.0
"""DEPTHWISE_CONV_2D in plain C, whatever its window, multiplier and numbers."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._requant import RequantParams, accumulator_bounds, lower_requantization
from ascmcu.kernels._work import window_loops
from ascmcu.ops._window import WindowParams
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D


@dataclass(frozen=True)
class Params:
    """Compile-time constants of the row kernel."""

    window: WindowParams
    multiplier: int
    x_zero_point: int
    x_type: str
    w_type: str
    y_type: str
    requant: RequantParams


@kernel(DepthwiseConv2D, wide_weights=True, cost=Cost(mac=17, output=40))
def lower(op: DepthwiseConv2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Weights stay (kernel_h, kernel_w, channels)."""
    x, weights, bias = op.operands(inputs)
    taps = weights.values.reshape(-1, weights.shape[3]).T
    bounds = accumulator_bounds(taps, bias.values, x)
    requant, constants = lower_requantization(op.requantization(inputs, output), bounds)
    params = Params(
        window=op.window_params(x, weights, output),
        multiplier=weights.shape[3] // x.shape[3],
        x_zero_point=x.zero_point,
        x_type=x.dtype.c_name,
        w_type=weights.dtype.c_name,
        y_type=output.dtype.c_name,
        requant=requant,
    )
    constants = (("weights", weights.values), ("bias", bias.values), *constants)
    loops = window_loops(params.window, params.requant.form, output.shape[1], op.padding[2], 1)
    return Lowered(params, constants, work=loops)
