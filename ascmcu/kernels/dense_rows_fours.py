# SPDX-License-Identifier: Apache-2.0
"""FULLY_CONNECTED on a whole map, row by row as the rows come, four taps at a time (``_dense_fours``)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.layout import ROW_MAJOR, TIME_PLANAR, TIME_TO_WIDTH
from ascmcu.ir.op import Inputs, RowMode
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels import _dense_fours
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._requant import RequantParams, accumulator_bounds, lower_requantization
from ascmcu.kernels._work import work
from ascmcu.kernels.dense_portable import stored_weights
from ascmcu.ops.fully_connected import FullyConnected


@dataclass(frozen=True)
class Params:
    """Compile-time constants: ``rows`` rows are added to the accumulators."""

    rows: int
    fours: _dense_fours.Fours
    y_type: str
    requant: RequantParams


@kernel(
    FullyConnected,
    reads=(ROW_MAJOR, TIME_TO_WIDTH, TIME_PLANAR),
    cost=Cost(mac=_dense_fours.CYCLES, output=60),
)
def lower(op: FullyConnected, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """Weights are (rows, those of a row in the order of the loops)."""
    x, weights, bias = op.operands(inputs)
    waits = op.row_rule(inputs, output).mode is RowMode.ACCUMULATE and x.rows > 1
    if not waits or not _dense_fours.fits(x, weights):
        return None
    vectors = stored_weights(op, inputs)
    channels, depth = vectors.shape
    requant, constants = lower_requantization(
        op.requantization(inputs, output), accumulator_bounds(vectors, bias.values, x)
    )
    by_row = vectors.reshape(channels, x.rows, -1).transpose(1, 0, 2)
    stored = np.stack([_dense_fours.ordered(row) for row in by_row])
    params = Params(x.rows, _dense_fours.fours(depth // x.rows, channels), output.dtype.c_name, requant)
    folded = _dense_fours.folded_bias(vectors, bias.values, x)
    done = _dense_fours.counted(params.fours, x.rows) + work({f"outputs_{requant.form}": channels})
    arrays = (("weights", stored), ("bias", folded), *constants)
    return Lowered(params, arrays, state=(DType.INT32, channels), work=done)
