# SPDX-License-Identifier: Apache-2.0
"""MEAN and SUM over everything but the channels, four channels at a time.

Two channels lie in a word; a row's pixels are summed in halfwords.
"""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.layout import ROW_MAJOR, TIME_TO_WIDTH
from ascmcu.ir.op import Inputs, RowMode, present
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._work import work
from ascmcu.kernels.mean_sum import Params as Sums
from ascmcu.kernels.mean_sum import sums_params
from ascmcu.ops._mean_sum import MeanOrSum
from ascmcu.ops.mean import Mean
from ascmcu.ops.sum import Sum

# As many int8 as a halfword holds the sum of.
_MOST_PIXELS = 255


@dataclass(frozen=True)
class Params:
    """Compile-time constants.

    A step adds ``pixels`` pixels of ``channels`` channels, the last step ``last``; then as the plain kernel.
    """

    pixels: int
    last: int
    channels: int
    sums: Sums


@kernel(Mean, Sum, reads=(ROW_MAJOR, TIME_TO_WIDTH), cost=Cost(input=1.3, output=40))
def lower(op: MeanOrSum, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """Accumulators, int32, live from the first row to the last."""
    (x,) = present(inputs)
    channels, rank = x.shape[-1], len(x.shape)
    kept = [i for i in range(rank) if i not in op.axes and x.shape[i] > 1]
    if x.dtype is not DType.INT8 or channels % 4 or kept not in ([], [rank - 1]):
        return None
    rule = op.row_rule(inputs, output)
    step = x.elements if rule.mode is RowMode.WHOLE else x.row_elements
    pixels = step // channels
    if rank - 1 in op.axes or pixels > _MOST_PIXELS or (rule.mode is RowMode.WHOLE and x.layout != ROW_MAJOR):
        return None
    left = x.shape[1] % pixels if x.layout.time_steps > 1 else 0
    sums = sums_params(op, inputs, output)
    counts = {
        "fours": rule.steps * channels // 4,
        "four_pixels": x.elements // 4,
        f"outputs_{'fixed' if sums.fixed else 'float'}": output.elements,
    }
    state = (DType.INT32, channels)
    return Lowered(Params(pixels, left or pixels, channels, sums), state=state, work=work(counts))
