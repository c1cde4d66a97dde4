# SPDX-License-Identifier: Apache-2.0
"""UNIDIRECTIONAL_SEQUENCE_LSTM on float32: four sums side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._lstm import gate_places
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.float_lstm import FloatLstm

_GROUP = 4


@dataclass(frozen=True)
class Gate:
    """One gate: where its sums and constants begin; ``peephole_at`` is None where it sees no cell state."""

    name: str
    at: int
    peephole_at: int | None


@dataclass(frozen=True)
class Params:
    """Compile-time constants; ``groups`` are sums of the gates by fours, ``output_groups`` of the projection."""

    depth: int
    cells: int
    outputs: int
    groups: int
    output_groups: int
    gates: tuple[Gate, ...]
    input_gate: bool
    activation: str
    norm: bool
    projected: bool
    cell_clip: float
    projection_clip: float

    @property
    def sums(self) -> int:
        """Floats of the gates' sums."""
        return self.groups * _GROUP

    @property
    def scratch(self) -> int:
        """Floats that a step needs: the gates' sums, hidden values, the projection's sums."""
        return self.sums + self.cells + self.output_groups * _GROUP

    @property
    def projected_at(self) -> int:
        """Where the projection's sums begin."""
        return self.sums + self.cells

    @property
    def before(self) -> tuple[Gate, ...]:
        """The gates that see the old cell state."""
        return self.gates[:-1]

    @property
    def last(self) -> Gate:
        """The output gate, which sees the new one."""
        return self.gates[-1]


@kernel(FloatLstm, cost=Cost(mac=4.5, output=300))
def lower(op: FloatLstm, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Weights are (rows / 4, taps, 4), rows gate by gate."""
    x, state = inputs[0], inputs[1]
    assert x is not None and state is not None
    weights, recurrent, bias, peepholes, norm, projection, offsets = (
        None if t is None else t.values for t in inputs[2:]
    )
    assert weights is not None and recurrent is not None and bias is not None
    gates = tuple(
        Gate(name, i * op.cells, None if place is None else place * op.cells)
        for i, (name, place) in enumerate(gate_places(op.gates, peepholes is not None))
    )
    params = Params(
        x.shape[2], op.cells, op.outputs, -(-op.gates * op.cells // _GROUP), -(-op.outputs // _GROUP), gates,
        op.input_gate, op.activation, norm is not None, projection is not None, op.cell_clip, op.projection_clip,
    )  # fmt: skip
    constants = [("weights", _grouped(weights)), ("recurrent", _grouped(recurrent)), ("bias", _filled(bias))]
    constants += [("initial", state.values.reshape(-1))] if state.is_const else []
    constants += [("peepholes", peepholes)] if peepholes is not None else []
    constants += [("norm", norm)] if norm is not None else []
    if projection is not None and offsets is not None:
        constants += [("projection", _grouped(projection)), ("projection_bias", _filled(offsets))]
    return Lowered(
        params,
        tuple(constants),
        state=(DType.FLOAT32, op.cells + op.outputs),
        scratch=(DType.FLOAT32, params.scratch),
        holds_state=True,
    )


def _grouped(weights: Array) -> Array:
    """(rows, taps) by groups of four rows; rows that fill are zero."""
    rows, taps = weights.shape
    filled = np.zeros((-(-rows // _GROUP) * _GROUP, taps), np.float32)
    filled[:rows] = weights
    return np.ascontiguousarray(filled.reshape(-1, _GROUP, taps).transpose(0, 2, 1))


def _filled(bias: Array) -> Array:
    filled = np.zeros(-(-len(bias) // _GROUP) * _GROUP, np.float32)
    filled[: len(bias)] = bias
    return filled
