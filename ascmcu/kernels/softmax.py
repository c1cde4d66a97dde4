# SPDX-License-Identifier: Apache-2.0
"""SOFTMAX over the last axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, RowMode, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.softmax import Softmax


@dataclass(frozen=True)
class Params:
    """Compile-time constants: ``vectors`` of ``depth`` elements per step.

    The flash table holds exp(−beta × scale × d) in Q0.31 for the difference d = 0 … entries − 1 to the maximum;
    larger differences give the lowest output.
    """

    vectors: int
    depth: int
    entries: int
    low: int
    high: int
    y_bits: int
    x_type: str
    y_type: str


@kernel(Softmax, cost=Cost(output=80))
def lower(op: Softmax, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """The table of exponentials goes to flash."""
    (x,) = present(inputs)
    table = op.exponentials(x).astype(np.int32)
    assert op.row_rule(inputs, output).mode is RowMode.MAP
    depth = output.shape[-1]
    params = Params(
        output.row_elements // depth,
        depth,
        len(table),
        *output.dtype.integer_range,
        8 * output.dtype.size_bytes,
        x.dtype.c_name,
        output.dtype.c_name,
    )
    return Lowered(params, (("exponentials", table),))
