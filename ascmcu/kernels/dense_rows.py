# SPDX-License-Identifier: Apache-2.0
"""FULLY_CONNECTED on a whole map, row by row; the output is computed after the last row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.layout import ROW_MAJOR, TIME_PLANAR, TIME_TO_WIDTH
from ascmcu.ir.op import Inputs, RowMode
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._requant import RequantParams, accumulator_bounds, lower_requantization
from ascmcu.kernels.dense_portable import stored_weights
from ascmcu.ops.fully_connected import FullyConnected


@dataclass(frozen=True)
class Params:
    """Compile-time constants: ``rows`` × ``depth`` inputs are reduced to ``out_c`` outputs."""

    rows: int
    depth: int
    out_c: int
    x_zero_point: int
    w_zero_point: int
    x_type: str
    y_type: str
    requant: RequantParams


@kernel(FullyConnected, reads=(ROW_MAJOR, TIME_TO_WIDTH, TIME_PLANAR), cost=Cost(mac=6.5, output=60))
def lower(op: FullyConnected, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """Weights are (rows, O, row elements)."""
    x, weights, bias = op.operands(inputs)
    if op.row_rule(inputs, output).mode is not RowMode.ACCUMULATE or x.rows == 1:
        return None
    vectors = stored_weights(op, inputs)
    channels, depth = vectors.shape
    bounds = accumulator_bounds(vectors.astype(np.int64) - weights.zero_point, bias.values, x)
    requant, constants = lower_requantization(op.requantization(inputs, output), bounds)
    params = Params(
        x.rows,
        depth // x.rows,
        channels,
        x.zero_point,
        weights.zero_point,
        x.dtype.c_name,
        output.dtype.c_name,
        requant,
    )
    by_row = np.ascontiguousarray(vectors.reshape(channels, x.rows, -1).transpose(1, 0, 2))
    return Lowered(
        params, (("weights", by_row), ("bias", bias.values), *constants), state=(DType.INT32, channels)
    )
