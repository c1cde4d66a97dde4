# SPDX-License-Identifier: Apache-2.0
"""FULLY_CONNECTED on float32 activations; weights float32, half precision or int8."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, RowMode
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels import _float
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.float_fully_connected import FloatFullyConnected


@dataclass(frozen=True)
class Params:
    """Compile-time constants: ``batch`` vectors of ``depth`` per step, or ``rows`` steps that each add ``depth``
    elements to the sums; ``groups`` counts output channels by fours."""

    rows: int
    depth: int
    out_c: int
    batch: int
    groups: int
    stored: _float.Stored
    clamp: _float.Clamp


@kernel(FloatFullyConnected, cost=Cost(mac=4, output=20))
def lower(op: FloatFullyConnected, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Weights are (O / 4, depth, 4), or (rows, O / 4, row elements, 4) when rows are accumulated."""
    x, weights, bias = op.operands(inputs)
    channels, depth = weights.shape
    rule = op.row_rule(inputs, output)
    rows = x.rows if rule.mode is RowMode.ACCUMULATE else 1
    vectors = x.elements if rule.mode is RowMode.WHOLE else x.row_elements
    parts = [_float.blocked(weights, bias, part) for part in np.split(weights.values, rows, axis=1)]
    first = parts[0]
    groups = len(first.bias) // _float.GROUP
    constants = (("weights", np.concatenate([part.weights for part in parts])), *first.constants[1:])
    params = Params(
        rows=rows,
        depth=depth // rows,
        out_c=channels,
        batch=1 if rows > 1 else vectors // depth,
        groups=groups,
        stored=first.stored,
        clamp=_float.clamp(op.activation),
    )
    state = (DType.FLOAT32, groups * _float.GROUP) if rows > 1 else None
    return Lowered(params, constants, state)
