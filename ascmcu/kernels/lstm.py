# SPDX-License-Identifier: Apache-2.0
"""UNIDIRECTIONAL_SEQUENCE_LSTM on int8: the gates of a cell side by side, by SMLAD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._lstm import gate_places
from ascmcu.kernels._quads import QUAD, interleaved
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._work import work
from ascmcu.ops.lstm import Lstm


@dataclass(frozen=True)
class Fixed:
    """A scale as mantissa and shift."""

    multiplier: int
    shift: int


@dataclass(frozen=True)
class Gate:
    """One gate: its place among them, and the scales of what else it has; None for what it has not. ``peephole_at`` and
    ``norm_at`` say where its constants begin."""

    name: str
    index: int
    at: int
    peephole: Fixed | None
    peephole_at: int
    norm: Fixed | None
    guard: int


@dataclass(frozen=True)
class Params:
    """Compile-time constants. ``depth`` inputs and ``outputs`` lie in ``quads`` and ``output_quads`` groups of four;
    ``reach`` cells have peepholes."""

    depth: int
    quads: int
    cells: int
    outputs: int
    output_quads: int
    cell_quads: int
    reach: int
    gates: tuple[Gate, ...]
    input_gate: bool
    hidden: Fixed
    hidden_zero_point: int
    projection: Fixed | None
    projection_zero_point: int
    cell_bits: int
    added_shift: int
    cell_clip: int
    projection_clip: int

    @property
    def widened(self) -> int:
        """Elements of the input in int16, with what fills it."""
        return self.quads * QUAD

    @property
    def recalled(self) -> int:
        """Elements of the last output in int16, with what fills it."""
        return self.output_quads * QUAD

    @property
    def first_gate(self) -> int:
        """Where the gates' sums begin in the scratch: behind the input and the hidden values."""
        return self.widened + self.cell_quads * QUAD

    @property
    def gate_sums(self) -> int:
        """Sums of all gates."""
        return len(self.gates) * self.cells

    @property
    def scratch(self) -> int:
        """int16 elements that a step needs."""
        return self.first_gate + self.gate_sums

    @property
    def kept(self) -> int:
        """int16 elements that live from step to step: the last output, then the cell state."""
        return self.recalled + self.cells

    @property
    def gate_words(self) -> int:
        """Words of one tap quad of a cell."""
        return len(self.gates)

    @property
    def sigmoids(self) -> int:
        """Sums in front of the update gate's, of which the logistic function is taken."""
        return (len(self.gates) - 2) * self.cells

    @property
    def before(self) -> tuple[Gate, ...]:
        """The gates that see the old cell state."""
        return self.gates[:-1]

    @property
    def last(self) -> Gate:
        """The output gate, which sees the new one."""
        return self.gates[-1]


@kernel(Lstm, cost=Cost(mac=2.0, output=300))
def lower(op: Lstm, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Weights are (cells, quads of taps, gates, 4)."""
    x, state = inputs[0], inputs[1]
    assert x is not None and state is not None
    values = [None if t is None else t.values for t in inputs[2:]]
    weights, bias, recurrent, recurrent_bias, peepholes, norm, norm_bias, projection, projection_bias = values
    assert weights is not None and bias is not None and recurrent is not None and recurrent_bias is not None
    params = _params(op, x.shape[2])
    constants = [
        ("weights", interleaved(weights, op.gates)),
        ("bias", _transposed(bias, op.gates)),
        ("scales", np.array(op.scales, np.int32).reshape(-1)),
        ("recurrent", interleaved(recurrent, op.gates)),
        ("recurrent_bias", _transposed(recurrent_bias, op.gates)),
        ("recurrent_scales", np.array(op.recurrent_scales, np.int32).reshape(-1)),
    ]
    constants += [("initial", state.values.reshape(-1))] if state.is_const else []
    constants += [("peepholes", peepholes)] if peepholes is not None else []
    if norm is not None and norm_bias is not None:
        constants += [("norm", norm), ("norm_bias", norm_bias)]
    if projection is not None and projection_bias is not None:
        constants += [("projection", interleaved(projection, 1)), ("projection_bias", projection_bias)]
    steps = output.rows
    counts = {
        "macs": op.macs(inputs, output),
        "sums": 2 * steps * op.gates * op.cells,
        "cells": steps * op.cells,
    }
    return Lowered(
        params,
        tuple(constants),
        state=(DType.INT16, params.kept),
        scratch=(DType.INT16, params.scratch),
        holds_state=True,
        work=work(counts),
    )


def _params(op: Lstm, depth: int) -> Params:
    gates = []
    for index, (name, place) in enumerate(gate_places(op.gates, bool(op.peephole_scales))):
        norm = op.norm_scales[index] if op.norm_scales else None
        gates.append(
            Gate(
                name,
                index,
                index * op.cells,
                None if place is None else Fixed(*op.peephole_scales[place]),
                0 if place is None else place * op.cells,
                Fixed(*norm[:2]) if norm else None,
                norm[2] if norm else 0,
            )
        )
    return Params(
        depth,
        -(-depth // QUAD),
        op.cells,
        op.outputs,
        -(-op.outputs // QUAD),
        -(-op.cells // QUAD),
        min(op.cells, op.outputs),
        tuple(gates),
        op.input_gate,
        Fixed(*op.hidden[:2]),
        op.hidden[2],
        Fixed(*op.projection[:2]) if op.projection else None,
        op.projection[2] if op.projection else 0,
        op.cell_bits,
        15 + op.cell_bits,
        op.cell_clip,
        op.projection_clip,
    )


def _transposed(bias: Array, gates: int) -> Array:
    return np.ascontiguousarray(bias.reshape(gates, -1).T)
