# SPDX-License-Identifier: Apache-2.0
"""DEPTHWISE_CONV_2D on float32 activations; weights float32, half precision or int8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels import _float
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._work import window_loops
from ascmcu.ops._float import values
from ascmcu.ops._window import WindowParams
from ascmcu.ops.float_depthwise_conv2d import FloatDepthwiseConv2D


@dataclass(frozen=True)
class Params:
    """Compile-time constants of the row kernel."""

    window: WindowParams
    multiplier: int
    stored: _float.Stored
    clamp: _float.Clamp
    # Weights that fit the FPU's registers beside the rest.
    MOST_UNROLLED: ClassVar[int] = 16

    @property
    def taps(self) -> tuple[tuple[int, int], ...]:
        """(kernel row, offset from the window's first column) of each tap."""
        return tuple((ky, offset) for ky in range(self.window.kernel_h) for offset in self.column_offsets)

    @property
    def inside_below(self) -> int:
        """A window that begins in a column under this one ends in the map."""
        w = self.window
        return max(w.in_w - (w.kernel_w - 1) * w.dilation_w, 0)

    @property
    def column_offsets(self) -> tuple[int, ...]:
        """Of a window's taps from its first column."""
        w = self.window
        return tuple(kx * w.dilation_w * w.in_c for kx in range(w.kernel_w))

    @property
    def words(self) -> int:
        """Of a channel's weights where two halves make one."""
        return -(-self.window.kernel_h * self.window.kernel_w // 2)

    @property
    def stored_taps(self) -> int:
        """Weights of a channel, what fills the last word included."""
        return 2 * self.words if self.stored.form == "half" else self.window.kernel_h * self.window.kernel_w


@kernel(FloatDepthwiseConv2D, cost=Cost(mac=12, output=20))
def lower(op: FloatDepthwiseConv2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Weights are (C × multiplier, kernel_h, kernel_w), rounded up to whole words of halves."""
    x, weights, bias = op.operands(inputs)
    channels = weights.shape[3]
    taps = weights.values[0].transpose(2, 0, 1).reshape(channels, -1)
    if taps.shape[1] % 2 and weights.dtype is DType.FLOAT16:
        taps = np.pad(taps, ((0, 0), (0, 1)))
    constants = [("weights", _float.packed(weights, taps)), ("bias", values(bias))]
    if weights.dtype is DType.INT8:
        scales = np.array(weights.quantization.scales, np.float32)
        constants.append(("scales", np.ascontiguousarray(np.broadcast_to(scales, channels))))
    params = Params(
        window=op.window_params(x, weights, output),
        multiplier=channels // x.shape[3],
        stored=_float.stored(weights),
        clamp=_float.clamp(op.activation),
    )
    loops = window_loops(params.window, "float", output.shape[1], op.padding[2], 1)
    return Lowered(params, tuple(constants), work=loops)
