# SPDX-License-Identifier: Apache-2.0
"""FULLY_CONNECTED in plain C."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.layout import ROW_MAJOR, TIME_PLANAR, TIME_TO_WIDTH
from ascmcu.ir.op import Inputs, RowMode
from ascmcu.ir.types import Array, Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._requant import RequantParams, accumulator_bounds, lower_requantization
from ascmcu.ops.fully_connected import FullyConnected


@dataclass(frozen=True)
class Params:
    """Compile-time constants: ``depth`` inputs are reduced to ``out_c`` outputs, ``batch`` times a step."""

    depth: int
    out_c: int
    batch: int
    x_zero_point: int
    w_zero_point: int
    x_type: str
    y_type: str
    requant: RequantParams


@kernel(FullyConnected, reads=(ROW_MAJOR, TIME_TO_WIDTH, TIME_PLANAR), cost=Cost(mac=6.5, output=40))
def lower(op: FullyConnected, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """Weights are (O, depth)."""
    x, weights, bias = op.operands(inputs)
    mode, vectors = op.row_rule(inputs, output).mode, stored_weights(op, inputs)
    if mode is RowMode.ACCUMULATE and x.rows > 1:
        return None
    channels, depth = vectors.shape
    bounds = accumulator_bounds(vectors.astype(np.int64) - weights.zero_point, bias.values, x)
    requant, constants = lower_requantization(op.requantization(inputs, output), bounds)
    params = Params(
        depth,
        channels,
        vectors_per_step(op, inputs, output),
        x.zero_point,
        weights.zero_point,
        x.dtype.c_name,
        output.dtype.c_name,
        requant,
    )
    return Lowered(params, (("weights", vectors), ("bias", bias.values), *constants))


def stored_weights(op: FullyConnected, inputs: Inputs) -> Array:
    """(O, depth) in the order in which a step's inputs lie; weights of what only fills a map's rows are zero."""
    x, weights, _ = op.operands(inputs)
    if x.layout.kind == ROW_MAJOR:
        return weights.values
    maps = x.layout.store(weights.values.reshape(-1, *x.shape[1:]), weights.zero_point)
    return np.ascontiguousarray(maps.reshape(len(maps), -1))


def vectors_per_step(op: FullyConnected, inputs: Inputs, output: Tensor) -> int:
    """How many vectors a step reduces."""
    x, weights, _ = op.operands(inputs)
    mode = op.row_rule(inputs, output).mode
    if mode is RowMode.ACCUMULATE:
        return 1
    return (x.elements if mode is RowMode.WHOLE else x.row_elements) // weights.shape[1]
