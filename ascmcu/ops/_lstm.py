# SPDX-License-Identifier: Apache-2.0
"""What the LSTM layers share: operands of TFLite's full operator (``lstm_shared.h``), rows of states, the state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Op, RowMode, RowReads, RowRule
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops.reshape import Reshape
from ascmcu.ops.slice import Slice

# Input, forget, cell, output: the order of all operands, and of the gates here. CIFG has no input gate.
_GATES = 4
CELL = 2


@dataclass(frozen=True)
class StatesOp(Op):
    """Base of the layers: row t of the output (1, T, cells + outputs) holds the cell state after step t, then the
    step's output.

    Inputs begin with x (1, T, depth) and the state before the first step (1, 1, cells + outputs), and end with the
    weights and bias of the projection, if there is one.

    Attributes:
        cells, outputs: elements of the cell state and of a step's output.
        input_gate: whether there is one; else it is one minus the forget gate (CIFG).
    """

    cells: int
    outputs: int
    input_gate: bool

    @property
    def gates(self) -> int:
        """How many gates there are."""
        return _GATES if self.input_gate else _GATES - 1

    @property
    def width(self) -> int:
        """Elements of a row of states."""
        return self.cells + self.outputs

    def macs(self, inputs: Inputs, output: Tensor) -> int:
        """Products with weights."""
        x, projection = inputs[0], inputs[-2]
        assert x is not None
        step = self.gates * self.cells * (x.shape[2] + self.outputs)
        return x.shape[1] * (step + (self.cells * self.outputs if projection else 0))

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """One step of time after the other."""
        state = inputs[1]
        first = None if state is None or state.is_const else RowReads(0, 0, 1)
        return RowRule(RowMode.MAP, output.rows, (RowReads(1, 0, 1), first, *(None,) * (len(inputs) - 2)))

    def parameter_inputs(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """All but the state."""
        return (inputs[0], *inputs[2:])


def emit_states(
    ctx: ImportContext,
    op: StatesOp,
    like: Tensor,
    rows: Tensor,
    constants: Sequence[Tensor | None],
    initial: Array,
    name: str,
) -> Tensor:
    """Emit a layer whose state is carried from call to call, from ``initial`` on.

    Args:
        like: type of the states.
        rows: the input, (1, T, depth).
        name: what the tensors' names begin with.

    Returns:
        The states, (1, T, cells + outputs).
    """
    entry = ctx.temporary(like, (1, 1, op.width), f"{name}state")
    states = ctx.temporary(like, (1, rows.shape[1], op.width), f"{name}states")
    ctx.emit(op, (rows, entry, *constants), states)
    last = ctx.temporary(like, entry.shape, f"{name}last")
    ctx.emit(Slice((0, rows.shape[1] - 1, 0), last.shape, (1, 1, 1)), (states,), last)
    ctx.carry(entry, last, initial)
    return states


@dataclass(frozen=True)
class Operands:
    """The constants of one direction, gate by gate; a tuple is empty where the layer has no such part.

    Attributes:
        weights: of the input, (cells, depth) each.
        recurrent: of the output state, (cells, outputs) each.
        peepholes: of the cell state, for all gates but the cell's.
        biases: (cells) each.
        norms: coefficients of the layer normalization.
        projection, projection_bias: (outputs, cells) and (outputs).
    """

    weights: tuple[Tensor, ...]
    recurrent: tuple[Tensor, ...]
    peepholes: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    norms: tuple[Tensor, ...]
    projection: Tensor | None
    projection_bias: Tensor | None

    @property
    def cells(self) -> int:
        """Cells of the layer."""
        return self.weights[0].shape[0]

    @property
    def outputs(self) -> int:
        """Elements of a step's output."""
        return self.recurrent[0].shape[1]

    @property
    def input_gate(self) -> bool:
        """Whether there is an input gate; without it, it is one minus the forget gate."""
        return len(self.weights) == _GATES

    @property
    def gates(self) -> tuple[int, ...]:
        """Which of the four gates there are."""
        return tuple(range(_GATES - len(self.weights), _GATES))


def import_operands(ctx: ImportContext, places: Sequence[int], norms: Sequence[int]) -> Operands:
    """The constants of one direction.

    Args:
        places: indices of the 4 input weights, 4 recurrent weights, 3 peepholes, 4 biases, and of the projection and
            its bias, as the operator has them.
        norms: indices of the 4 normalization coefficients, if the operator has them.

    Raises:
        ModelError: an operand is missing, computed, or of another shape.
    """
    found = [ctx.inputs[i] if i < len(ctx.inputs) else None for i in places]
    with_input_gate = found[0] is not None
    gates = slice(0 if with_input_gate else 1, _GATES)
    weights, recurrent = _all(ctx, found[0:4][gates]), _all(ctx, found[4:8][gates])
    cells, outputs = weights[0].shape[0], recurrent[0].shape[-1]
    made = Operands(
        weights,
        recurrent,
        _all(ctx, found[8:11][gates]) if found[9] is not None else (),
        _all(ctx, found[11:15][gates]),
        _all(ctx, [ctx.inputs[i] for i in norms][gates]) if _has(ctx, norms) else (),
        found[15],
        found[16],
    )
    _check(ctx, made.weights, (cells, ctx.needed(0).shape[-1]))
    _check(ctx, made.recurrent, (cells, outputs))
    _check(ctx, (*made.peepholes, *made.biases, *made.norms), (cells,))
    if made.projection is not None:
        _check(ctx, (made.projection,), (outputs, cells))
    elif outputs != cells:
        raise ctx.error(
            "an LSTM without projection has as many outputs as cells", expected=cells, found=outputs
        )
    if made.projection_bias is not None:
        _check(ctx, (made.projection_bias,), (outputs,))
    return made


def rows_of_time(ctx: ImportContext, x: Tensor, time_major: bool) -> Tensor:
    """The input as (1, time, depth).

    Raises:
        ModelError: it holds more than one sequence.
    """
    if len(x.shape) != 3 or x.shape[1 if time_major else 0] != 1:
        raise ctx.error(
            "a recurrent layer takes one sequence at a time",
            x,
            expected="time × 1 × depth" if time_major else "1 × time × depth",
            found=list(x.shape),
            hint="convert the model with batch size 1",
        )
    if not time_major:
        return x
    shape = (1, x.shape[0], x.shape[2])
    rows = ctx.temporary(x, shape, f"{ctx.outputs[0].name}.rows")
    ctx.emit(Reshape(shape), (x,), rows)
    return rows


def stacked(tensors: Sequence[Tensor], dtype: type[np.generic]) -> Array:
    """Constants of all gates below each other."""
    return np.ascontiguousarray(np.concatenate([t.values for t in tensors]).astype(dtype))


def _has(ctx: ImportContext, places: Sequence[int]) -> bool:
    """Whether the last of some optional operands is there."""
    return bool(places) and places[-1] < len(ctx.inputs) and ctx.inputs[places[-1]] is not None


def _all(ctx: ImportContext, tensors: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
    for tensor in tensors:
        if tensor is None or not tensor.is_const:
            raise ctx.error(
                "a weight of the LSTM is missing or computed", tensor, expected="constants for all its gates"
            )
    return tuple(t for t in tensors if t is not None)


def _check(ctx: ImportContext, tensors: Sequence[Tensor], shape: tuple[int, ...]) -> None:
    for tensor in tensors:
        if tensor.shape != shape:
            raise ctx.error(
                "a weight of the LSTM has another shape", tensor, expected=shape, found=tensor.shape
            )
