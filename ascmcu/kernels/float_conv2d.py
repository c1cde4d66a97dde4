# SPDX-License-Identifier: Apache-2.0
"""CONV_2D on float32 activations; weights float32, half precision or int8."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _float
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._work import window_loops
from ascmcu.ops._window import WindowParams
from ascmcu.ops.float_conv2d import FloatConv2D


@dataclass(frozen=True)
class Params:
    """Compile-time constants of the row kernel: ``groups`` of ``depth`` input and ``width`` output channels each."""

    window: WindowParams
    groups: int
    depth: int
    width: int
    stored: _float.Stored
    clamp: _float.Clamp

    @property
    def whole_groups(self) -> bool:
        """Whether the channels that are summed side by side fill their groups."""
        return self.width % _float.GROUP == 0


@kernel(FloatConv2D, cost=Cost(mac=4, output=20))
def lower(op: FloatConv2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Weights are (groups, O / groups / 4, kernel_h, kernel_w, C / groups, 4)."""
    x, weights, bias = op.operands(inputs)
    channels, depth = weights.shape[0], weights.shape[3]
    groups = x.shape[3] // depth
    block = _float.blocked(weights, bias, weights.values.reshape(channels, -1), groups)
    params = Params(
        window=op.window_params(x, weights, output),
        groups=groups,
        depth=depth,
        width=channels // groups,
        stored=block.stored,
        clamp=_float.clamp(op.activation),
    )
    loops = window_loops(params.window, "float", output.shape[1], op.padding[2], depth)
    return Lowered(params, block.constants, work=loops)
