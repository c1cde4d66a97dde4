# SPDX-License-Identifier: Apache-2.0
"""UNIDIRECTIONAL_SEQUENCE_LSTM on int8: the gates of a cell side by side, by SMLAD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.kernels import _by_eights
from ascmcu.kernels._by_eights import Pass
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._lstm import gate_places
from ascmcu.kernels._quads import QUAD, interleaved
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._work import work
from ascmcu.m4 import count
from ascmcu.ops.lstm import Lstm

# A sum that keeps a bit free beside its sign.
_MOST_QUICK = (1 << 30) - 1


@dataclass(frozen=True)
class Fixed:
    """A scale as mantissa and shift. ``quick`` says that it shifts to the right, and that what it scales keeps a bit
    free."""

    multiplier: int
    shift: int
    quick: bool = False

    @property
    def right(self) -> int:
        """Bits to the right."""
        return -self.shift

    @property
    def half(self) -> int:
        """Half a unit of them."""
        return 1 << (self.right - 1) if self.right > 0 else 0


@dataclass(frozen=True)
class Vector:
    """One of the two vectors that the gates sum: its passes over the cells of a gate."""

    passes: tuple[Pass, ...]

    @property
    def words(self) -> int:
        """Of one gate's weights."""
        return sum(p.all_words for p in self.passes)

    @property
    def sums(self) -> int:
        """Of one gate, with those that fill."""
        return sum(p.sums for p in self.passes)


@dataclass(frozen=True)
class Gate:
    """One gate: the scales of both vectors' sums, and of what else it has; None for what it has not. ``at`` says where
    its cells begin among those of all gates; ``weights_at``, ``recurrent_at`` and ``peephole_at`` where its constants
    begin."""

    name: str
    at: int
    weights_at: int
    recurrent_at: int
    scale: Fixed
    recurrent_scale: Fixed
    peephole: Fixed | None
    peephole_at: int
    norm: Fixed | None
    guard: int


@dataclass(frozen=True)
class Params:
    """Compile-time constants. ``depth`` inputs and ``outputs`` lie in ``quads`` and ``output_quads`` groups of four;
    ``reach`` cells have peepholes."""

    vector: Vector
    recurrent: Vector
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
    def first_sum(self) -> int:
        """Where one gate's sums of both vectors begin in the scratch, in words."""
        return -(-(self.first_gate + self.gate_sums) // 2) * 2

    @property
    def scratch(self) -> int:
        """int16 elements that a step needs."""
        return self.first_sum + 2 * (self.vector.sums + self.recurrent.sums)

    @property
    def kept(self) -> int:
        """int16 elements that live from step to step: the last output, then the cell state."""
        return self.recalled + self.cells

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
    """A gate's weights follow the other's; recurrent ones apart."""
    x, state = inputs[0], inputs[1]
    assert x is not None and state is not None
    values = [None if t is None else t.values for t in inputs[2:]]
    weights, bias, recurrent, recurrent_bias, peepholes, norm, norm_bias, projection, projection_bias = values
    assert weights is not None and bias is not None and recurrent is not None and recurrent_bias is not None
    own, inner = ((w.reshape(op.gates, op.cells, -1), b.reshape(op.gates, -1))
                  for w, b in ((weights, bias), (recurrent, recurrent_bias)))  # fmt: skip
    loops = [_by_eights.taps(w.shape[2], tuning.unroll) for w, _ in (own, inner)]
    vectors = [Vector(_by_eights.passes(op.cells, loop)) for loop in loops]
    params = _params(op, x.shape[2], vectors, [_reach(*own), _reach(*inner)])
    constants = [
        (name, np.concatenate([_by_eights.stream(w, b, vector.passes) for w, b in zip(*part, strict=True)]))
        for name, part, vector in zip(("weights", "recurrent"), (own, inner), vectors, strict=True)
    ]
    constants += [("initial", state.values.reshape(-1))] if state.is_const else []
    constants += [("peepholes", peepholes)] if peepholes is not None else []
    if norm is not None and norm_bias is not None:
        constants += [("norm", norm), ("norm_bias", norm_bias)]
    if projection is not None and projection_bias is not None:
        constants += [("projection", interleaved(projection, 1)), ("projection_bias", projection_bias)]
    steps = output.rows
    seeing = len(op.peephole_scales)
    calls = [p.groups * count.cycles(p.code, {"taps": loop.turns} if loop.turns > 1 else {})
             for loop, vector in zip(loops, vectors, strict=True) for p in vector.passes]  # fmt: skip
    counts = {
        "instructions": steps * op.gates * sum(calls),
        "sums": steps * op.gates * op.cells,
        "cells": steps * op.cells,
        "peepholes": steps * seeing * params.reach,
        "normalized": steps * len(op.norm_scales) * op.cells,
        "projected": steps * op.outputs * params.cell_quads if op.projection else 0,
    }
    return Lowered(
        params,
        tuple(constants),
        state=(DType.INT16, params.kept),
        scratch=(DType.INT16, params.scratch),
        holds_state=True,
        work=work(counts),
    )


def _reach(weights: Array, bias: Array) -> Array:
    """The largest magnitude of each gate's sums: (gates, cells, taps) weights with int8 inputs, and the bias."""
    products = np.abs(weights.astype(np.int64)).sum(axis=2) * 128
    reach: Array = (products + np.abs(bias.astype(np.int64))).max(axis=1)
    return reach


def _fixed(multiplier: int, shift: int, reach: int) -> Fixed:
    return Fixed(multiplier, shift, quick=shift < 0 and reach <= _MOST_QUICK)


def _params(op: Lstm, depth: int, vectors: Sequence[Vector], reach: Sequence[Array]) -> Params:
    gates = []
    for index, (name, place) in enumerate(gate_places(op.gates, bool(op.peephole_scales))):
        norm = op.norm_scales[index] if op.norm_scales else None
        gates.append(
            Gate(
                name,
                index * op.cells,
                index * vectors[0].words,
                index * vectors[1].words,
                _fixed(*op.scales[index], int(reach[0][index])),
                _fixed(*op.recurrent_scales[index], int(reach[1][index])),
                None if place is None else Fixed(*op.peephole_scales[place]),
                0 if place is None else place * op.cells,
                Fixed(norm[0], norm[1]) if norm else None,
                norm[2] if norm else 0,
            )
        )
    return Params(
        vectors[0],
        vectors[1],
        depth,
        -(-depth // QUAD),
        op.cells,
        op.outputs,
        -(-op.outputs // QUAD),
        -(-op.cells // QUAD),
        min(op.cells, op.outputs),
        tuple(gates),
        op.input_gate,
        _fixed(op.hidden[0], op.hidden[1], _MOST_QUICK),
        op.hidden[2],
        Fixed(op.projection[0], op.projection[1]) if op.projection else None,
        op.projection[2] if op.projection else 0,
        op.cell_bits,
        15 + op.cell_bits,
        op.cell_clip,
        op.projection_clip,
    )
