# SPDX-License-Identifier: Apache-2.0
"""LOG_SOFTMAX over the last axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.log_softmax import OUTPUT_SHIFT, LogSoftmax


@dataclass(frozen=True)
class Params:
    """Compile-time constants: ``vectors`` of ``depth`` elements per step.

    The flash table holds exp(−scale × d) in Q12.19 for the difference d = 0 … entries − 1 to the maximum. ``least`` is
    one below the last difference that counts; ``multiplier`` and ``shift`` bring a difference to Q5.26, those of
    ``reverse`` bring it back.
    """

    vectors: int
    depth: int
    entries: int
    least: int
    multiplier: int
    shift: int
    reverse_multiplier: int
    reverse_shift: int
    output_shift: int
    low: int
    high: int
    c_type: str


@kernel(LogSoftmax, cost=Cost(output=120))
def lower(op: LogSoftmax, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """The table of exponentials goes to flash."""
    (x,) = present(inputs)
    fixed, reverse, radius = op.scaling(x)
    table, depth = op.exponentials(x).astype(np.int32), output.shape[-1]
    low, high = output.dtype.integer_range
    params = Params(
        output.row_elements // depth, depth, len(table), -radius - 1, *fixed, *reverse, OUTPUT_SHIFT, low, high,
        output.dtype.c_name,
    )  # fmt: skip
    return Lowered(params, (("exponentials", table),))
