# SPDX-License-Identifier: Apache-2.0
"""Operands of TFLite's full LSTM operator (``lstm_shared.h``): 20 or 24 inputs, most of them optional."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops.reshape import Reshape

# Input, forget, cell, output: the order of all operands, and of the gates here. CIFG has no input gate.
_GATES = 4
CELL = 2


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
    depth = weights[0].shape[-1]
    _check(ctx, made.weights, (cells, depth))
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
