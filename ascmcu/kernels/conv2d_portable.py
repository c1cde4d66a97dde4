# SPDX-License-Identifier: Apache-2.0
"""CONV_2D in plain C, whatever its window, groups and numbers."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._requant import RequantParams, accumulator_bounds, lower_requantization
from ascmcu.kernels._work import window_loops
from ascmcu.ops._window import WindowParams
from ascmcu.ops.conv2d import Conv2D


@dataclass(frozen=True)
class Params:
    """Compile-time constants of the row kernel."""

    window: WindowParams
    groups: int
    x_zero_point: int
    x_type: str
    w_type: str
    y_type: str
    requant: RequantParams

    @property
    def depth(self) -> int:
        """Input channels of a group."""
        return self.window.in_c // self.groups

    @property
    def width(self) -> int:
        """Output channels of a group."""
        return self.window.out_c // self.groups


@kernel(Conv2D, wide_weights=True, cost=Cost(mac=12, output=40))
def lower(op: Conv2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Weights stay (O, kernel_h, kernel_w, I)."""
    x, weights, bias = op.operands(inputs)
    bounds = accumulator_bounds(weights.values.reshape(weights.shape[0], -1), bias.values, x)
    requant, constants = lower_requantization(op.requantization(inputs, output), bounds)
    params = Params(
        window=op.window_params(x, weights, output),
        groups=op.groups(x, weights),
        x_zero_point=x.zero_point,
        x_type=x.dtype.c_name,
        w_type=weights.dtype.c_name,
        y_type=output.dtype.c_name,
        requant=requant,
    )
    constants = (("weights", weights.values), ("bias", bias.values), *constants)
    loops = window_loops(
        params.window,
        params.requant.form,
        output.shape[1],
        op.padding[2],
        params.window.in_c // params.groups,
    )
    return Lowered(params, constants, work=loops)
