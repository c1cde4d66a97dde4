# SPDX-License-Identifier: Apache-2.0
"""FULLY_CONNECTED four taps at a time (``_dense_fours``).

For accumulators and vectors that the packed product has no room for.
"""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.layout import ROW_MAJOR, TIME_PLANAR, TIME_TO_WIDTH
from ascmcu.ir.op import Inputs, RowMode
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels import _dense_fours
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._requant import RequantParams, accumulator_bounds, lower_requantization
from ascmcu.kernels._work import work
from ascmcu.kernels.dense_portable import stored_weights, vectors_per_step
from ascmcu.ops.fully_connected import FullyConnected


@dataclass(frozen=True)
class Params:
    """Compile-time constants: ``batch`` vectors per step."""

    batch: int
    fours: _dense_fours.Fours
    y_type: str
    requant: RequantParams


@kernel(
    FullyConnected,
    reads=(ROW_MAJOR, TIME_TO_WIDTH, TIME_PLANAR),
    cost=Cost(mac=_dense_fours.CYCLES, output=40),
)
def lower(op: FullyConnected, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """Weights in the order of the loops; sums are scratch."""
    x, weights, bias = op.operands(inputs)
    waits = op.row_rule(inputs, output).mode is RowMode.ACCUMULATE and x.rows > 1
    if waits or not _dense_fours.fits(x, weights):
        return None
    vectors = stored_weights(op, inputs)
    channels, depth = vectors.shape
    requant, constants = lower_requantization(
        op.requantization(inputs, output), accumulator_bounds(vectors, bias.values, x)
    )
    batch, shape = vectors_per_step(op, inputs, output), _dense_fours.fours(depth, channels)
    folded = _dense_fours.folded_bias(vectors, bias.values, x)
    steps = op.row_rule(inputs, output).steps
    return Lowered(
        Params(batch, shape, output.dtype.c_name, requant),
        (("weights", _dense_fours.ordered(vectors)), ("bias", folded), *constants),
        scratch=(DType.INT32, channels),
        work=_dense_fours.counted(shape, steps * batch)
        + work({f"outputs_{requant.form}": steps * batch * channels}),
    )
