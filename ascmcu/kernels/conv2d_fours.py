# SPDX-License-Identifier: Apache-2.0
"""CONV_2D four taps at a time (``_dense_fours``): whatever its window and groups, its accumulators and scales.

Each pixel's taps are copied into one run of bytes, what lies outside the map as the zero point; a dense layer on it
does the rest. Runs are whole words, whose last taps have zero weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels import _dense_fours
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._requant import RequantParams, accumulator_bounds, lower_requantization
from ascmcu.kernels._work import Work, inside, work
from ascmcu.ops._window import WindowParams
from ascmcu.ops.conv2d import Conv2D

_WORD = 4


@dataclass(frozen=True)
class Params:
    """Compile-time constants: each of ``groups`` groups of input channels has ``depth`` channels and a run of taps of
    its own; scratch begins with the sums of one group, ``run`` bytes of taps follow."""

    window: WindowParams
    groups: int
    depth: int
    run: int
    x_zero_point: int
    fours: _dense_fours.Fours
    y_type: str
    requant: RequantParams

    @property
    def kernel_row(self) -> int:
        """Bytes of a kernel row's taps in a run."""
        return self.window.kernel_w * self.depth

    @property
    def run_weights(self) -> int:
        """Weights of a group of input channels."""
        return self.fours.channels * self.run


@kernel(Conv2D, cost=Cost(mac=_dense_fours.CYCLES, output=40, input=4))
def lower(op: Conv2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """Weights of each group in the order of the loops."""
    x, weights, bias = op.operands(inputs)
    if not _dense_fours.fits(x, weights):
        return None
    channels, taps, groups = weights.shape[0], weights.elements // weights.shape[0], op.groups(x, weights)
    run = -(-taps // _WORD) * _WORD
    vectors = weights.values.reshape(channels, taps)
    requant, constants = lower_requantization(
        op.requantization(inputs, output), accumulator_bounds(vectors, bias.values, x)
    )
    filled = np.zeros((channels, run), np.int8)
    filled[:, :taps] = vectors
    shape = _dense_fours.fours(run, channels // groups)
    params = Params(
        window=op.window_params(x, weights, output),
        groups=groups,
        depth=weights.shape[3],
        run=run,
        x_zero_point=x.zero_point,
        fours=shape,
        y_type=output.dtype.c_name,
        requant=requant,
    )
    by_group = [_dense_fours.ordered(part) for part in np.split(filled, groups)]
    folded = _dense_fours.folded_bias(vectors, bias.values, x)
    return Lowered(
        params,
        (("weights", np.concatenate(by_group)), ("bias", folded), *constants),
        scratch=(DType.INT32, shape.channels + run // _WORD),
        work=_work(params, output),
    )


def _work(k: Params, output: Tensor) -> Work:
    """All pixels: the columns under their windows are copied, the runs summed, the sums requantized."""
    w = k.window
    across = inside(w.out_w, w.kernel_w, w.stride_w, w.dilation_w, w.pad_left, w.in_w)
    along = inside(output.shape[1], w.kernel_h, w.stride_h, w.dilation_h, w.pad_top, w.in_h)
    runs, columns = len(across) * len(along) * k.groups, sum(across) * sum(along) * k.groups
    counts = {
        "runs": runs,
        "filled": runs * k.run,
        "kernel_rows": len(across) * sum(along) * k.groups,
        "columns": columns,
        "copied": columns * k.depth,
        f"outputs_{k.requant.form}": output.elements,
    }
    return _dense_fours.counted(k.fours, runs) + work(counts)
